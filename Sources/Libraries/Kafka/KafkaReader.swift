// Headgate
// SPDX-License-Identifier: Apache-2.0

import CRdKafka

/// Reads what lies in a topic's partitions, from places that are named to where they end now. Joins no group and
/// commits nothing.
public struct KafkaReader: ~Copyable {
    /// Where a record lies.
    public struct Span: Sendable {
        public var partition: Int32
        public var from: Int64
        public var end: Int64

        public init(partition: Int32, from: Int64, end: Int64) {
            self.partition = partition
            self.from = from
            self.end = end
        }
    }

    /// Milliseconds for each answer: whoever wants to stop waits for it.
    private static let timeout: Int32 = 3_000

    private let consumer: OpaquePointer

    /// - Parameter settings: librdkafka's own property names (CONFIGURATION.md).
    public init(_ settings: [String: String]) throws(KafkaError) {
        consumer = try KafkaClient.make(RD_KAFKA_CONSUMER, settings, events: 0)
        rd_kafka_poll_set_consumer(consumer)
    }

    deinit {
        rd_kafka_consumer_close(consumer)
        rd_kafka_destroy(consumer)
    }

    /// The partitions of a topic with all that is kept of them; empty where there is no such topic yet.
    public func partitions(of topic: String) throws(KafkaError) -> [Span] {
        try (KafkaClient.partitions(of: topic, consumer, timeout: Self.timeout) ?? []).map {
            number throws(KafkaError) in
            var (low, high) = (Int64(0), Int64(0))
            let code = rd_kafka_query_watermark_offsets(consumer, topic, number, &low, &high, Self.timeout)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
            return Span(partition: number, from: low, end: high)
        }
    }

    /// Calls back with one header of each record that has it.
    /// - Parameter isCancelled: ends the reading early.
    public func read(
        _ spans: [Span], of topic: String, header: String, isCancelled: () -> Bool, _ found: (String) -> Void
    ) throws(KafkaError) {
        var open = Dictionary(
            spans.filter { $0.from < $0.end }.map { ($0.partition, $0.end) }, uniquingKeysWith: { $1 })
        guard !open.isEmpty else { return }
        try assign(spans.filter { open[$0.partition] != nil }, topic)
        var idle = 0
        while !open.isEmpty, !isCancelled() {
            guard let message = rd_kafka_consumer_poll(consumer, 100) else {
                idle += 1
                // A hundred milliseconds each.
                guard idle < Self.timeout / 100 else { throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT) }
                continue
            }
            defer { rd_kafka_message_destroy(message) }
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                idle = 0
                if let value = Self.header(header, of: message) { found(value) }
                if message.pointee.offset + 1 >= open[message.pointee.partition] ?? .max {
                    open[message.pointee.partition] = nil
                }
            // The end can lie behind the last record: markers of transactions have offsets too.
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: open[message.pointee.partition] = nil
            default: throw KafkaError(message.pointee.err)
            }
        }
    }

    private func assign(_ spans: [Span], _ topic: String) throws(KafkaError) {
        let list = rd_kafka_topic_partition_list_new(Int32(spans.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for span in spans {
            rd_kafka_topic_partition_list_add(list, topic, span.partition).pointee.offset = span.from
        }
        let code = rd_kafka_assign(consumer, list)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
    }

    private static func header(_ name: String, of message: UnsafePointer<rd_kafka_message_t>) -> String? {
        var headers: OpaquePointer?
        var value: UnsafeRawPointer?
        var size = 0
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, let headers,
            rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let value
        else { return nil }
        return String(decoding: UnsafeRawBufferPointer(start: value, count: size), as: UTF8.self)
    }
}

/// What producers and consumers have in common.
enum KafkaClient {
    /// Asks the brokers for the partitions of a topic; nil where there is no such topic.
    /// - Parameter timeout: milliseconds.
    static func partitions(
        of topic: String, _ client: OpaquePointer, timeout: Int32
    ) throws(KafkaError) -> [Int32]? {
        guard let local = rd_kafka_topic_new(client, topic, nil) else { throw KafkaError(rd_kafka_last_error()) }
        defer { rd_kafka_topic_destroy(local) }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client, 0, local, &metadata, timeout)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { throw KafkaError(code) }
        defer { rd_kafka_metadata_destroy(metadata) }
        guard metadata.pointee.topic_cnt == 1 else { return nil }
        let found = metadata.pointee.topics[0]
        if found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || found.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC {
            return nil
        }
        guard found.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(found.err) }
        return (0..<Int(found.partition_cnt)).map { found.partitions[$0].id }
    }

    static func make(
        _ type: rd_kafka_type_t, _ settings: [String: String], events: Int32
    ) throws(KafkaError) -> OpaquePointer {
        let configuration = rd_kafka_conf_new()
        var reason = [CChar](repeating: 0, count: 512)
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            guard rd_kafka_conf_set(configuration, name, value, &reason, reason.count) == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                throw KafkaError(.setup, reason)
            }
        }
        if events != 0 { rd_kafka_conf_set_events(configuration, events) }
        // Its log would go to stderr past ours; what matters of it arrives as error events too.
        rd_kafka_conf_set_log_cb(configuration, nil)
        guard let client = rd_kafka_new(type, configuration, &reason, reason.count) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(.setup, reason)
        }
        return client
    }
}
