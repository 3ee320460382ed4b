// Headgate
// SPDX-License-Identifier: Apache-2.0

import CRdKafka

/// A librdkafka producer without callbacks: what happens comes out of `poll`.
public struct KafkaProducer: ~Copyable {
    private let producer: OpaquePointer
    private let queue: OpaquePointer

    /// What one `poll` brought.
    public enum Event {
        /// The message produced with `tag` was taken, and where to, or why not.
        case delivered(tag: Int, partition: Int32, offset: Int64, error: KafkaError?)
        /// Something is wrong with a broker or with the producer.
        case trouble(KafkaError)
    }

    /// - Parameter settings: librdkafka's own property names (CONFIGURATION.md).
    public init(_ settings: [String: String]) throws(KafkaError) {
        producer = try KafkaClient.make(
            RD_KAFKA_PRODUCER, settings, events: RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR)
        queue = rd_kafka_queue_get_main(producer)
    }

    deinit {
        // What is still in flight is kept by the outbox; waiting for it here would hold up the stop.
        rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
        rd_kafka_queue_destroy(queue)
        rd_kafka_destroy_flags(producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
    }

    /// Asks the brokers whether there is a topic.
    /// - Parameter timeout: milliseconds.
    public func has(_ topic: String, timeout: Int32) throws(KafkaError) -> Bool {
        try KafkaClient.partitions(of: topic, producer, timeout: timeout) != nil
    }

    /// Hands a message to the library, which copies it and gives it the time it has now: brokers refuse records of a
    /// device's clock that is far off (`message.timestamp.after.max.ms`).
    /// - Parameter tag: comes back with the delivery report.
    public func produce(
        topic: String, key: String, value: UnsafeRawBufferPointer, headers: [(name: String, value: String)],
        tag: Int
    ) throws(KafkaError) {
        let list = rd_kafka_headers_new(headers.count)
        for header in headers {
            rd_kafka_header_add(list, header.name, -1, header.value, -1)
        }
        // The tag travels as the message's opaque pointer, one up so that none is null.
        let opaque = UnsafeMutableRawPointer(bitPattern: tag + 1)
        let code = headgate_produce(
            producer, topic, key, key.utf8.count, value.baseAddress, value.count, list, opaque)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
    }

    /// Waits for what happens next, at most `milliseconds`, and reports it.
    public func poll(milliseconds: Int32, _ report: (Event) -> Void) {
        guard let event = rd_kafka_queue_poll(queue, milliseconds) else { return }
        defer { rd_kafka_event_destroy(event) }
        switch rd_kafka_event_type(event) {
        case RD_KAFKA_EVENT_DR:
            while let message = rd_kafka_event_message_next(event) {
                let error = message.pointee.err
                report(
                    .delivered(
                        tag: Int(bitPattern: message.pointee._private) - 1,
                        partition: message.pointee.partition, offset: message.pointee.offset,
                        error: error == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(error)))
            }
        case RD_KAFKA_EVENT_ERROR:
            let isFatal = rd_kafka_event_error_is_fatal(event) != 0
            let text = rd_kafka_event_error_string(event).map { String(cString: $0) } ?? ""
            report(.trouble(isFatal ? KafkaError(.fatal, text) : KafkaError(.retry, text)))
        default: break
        }
    }

    /// Gives up every message not yet delivered; each is reported as failed by the next polls.
    public func purge() {
        rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
    }
}
