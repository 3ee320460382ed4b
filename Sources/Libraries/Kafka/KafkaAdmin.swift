// Headgate
// SPDX-License-Identifier: Apache-2.0

import CRdKafka

/// Looks at a cluster's topics, and creates some. Changes none that there is: what librdkafka 2.0 has for that would set all
/// that is not named back to its default.
public struct KafkaAdmin: ~Copyable {
    public struct Topic: Sendable {
        public var partitions: Int
        public var replication: Int
    }

    public struct NewTopic: Sendable {
        public var name: String
        /// Nil for what the brokers have as their default.
        public var partitions: Int32?
        public var replication: Int32?
        /// `retention.ms` and the like.
        public var configuration: [String: String]

        public init(
            name: String, partitions: Int32? = nil, replication: Int32? = nil, configuration: [String: String] = [:]
        ) {
            self.name = name
            self.partitions = partitions
            self.replication = replication
            self.configuration = configuration
        }
    }

    /// Milliseconds for each answer.
    private static let timeout: Int32 = 10_000

    private let client: OpaquePointer

    /// - Parameter settings: librdkafka's own property names (CONFIGURATION.md).
    public init(_ settings: [String: String]) throws(KafkaError) {
        client = try KafkaClient.make(RD_KAFKA_PRODUCER, settings, events: 0)
    }

    deinit {
        rd_kafka_destroy(client)
    }

    /// Those that there are and that may be seen.
    public func topics() throws(KafkaError) -> [String: Topic] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client, 1, nil, &metadata, Self.timeout)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { throw KafkaError(code) }
        defer { rd_kafka_metadata_destroy(metadata) }
        var topics: [String: Topic] = [:]
        for index in 0..<Int(metadata.pointee.topic_cnt) {
            let topic = metadata.pointee.topics[index]
            guard let name = topic.topic, topic.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            let replicas = topic.partition_cnt > 0 ? topic.partitions[0].replica_cnt : 0
            topics[String(cString: name)] = Topic(partitions: Int(topic.partition_cnt), replication: Int(replicas))
        }
        return topics
    }

    /// A setting of each topic; none of those that do not tell it.
    public func setting(_ name: String, of topics: [String]) throws(KafkaError) -> [String: String] {
        guard !topics.isEmpty else { return [:] }
        var resources = topics.map { rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, $0) }
        defer { rd_kafka_ConfigResource_destroy_array(&resources, resources.count) }
        return try ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS) { options, queue in
            rd_kafka_DescribeConfigs(client, &resources, resources.count, options, queue)
        } read: { event in
            var count = 0
            let described = rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(event), &count)
            var found: [String: String] = [:]
            for index in 0..<count {
                guard let resource = described?[index], let topic = rd_kafka_ConfigResource_name(resource) else {
                    continue
                }
                var entries = 0
                let configs = rd_kafka_ConfigResource_configs(resource, &entries)
                for place in 0..<entries {
                    guard let entry = configs?[place], let key = rd_kafka_ConfigEntry_name(entry),
                        String(cString: key) == name, let value = rd_kafka_ConfigEntry_value(entry)
                    else { continue }
                    found[String(cString: topic)] = String(cString: value)
                }
            }
            return found
        }
    }

    /// Creates topics, one independent of the other.
    /// - Parameter isTrial: the brokers say whether they would, and do not.
    /// - Returns: why, for each that was refused.
    public func create(_ topics: [NewTopic], isTrial: Bool) throws(KafkaError) -> [String: String] {
        guard !topics.isEmpty else { return [:] }
        var asked: [OpaquePointer?] = []
        defer { rd_kafka_NewTopic_destroy_array(&asked, asked.count) }
        for topic in topics {
            var reason = [CChar](repeating: 0, count: 512)
            guard
                let new = rd_kafka_NewTopic_new(
                    topic.name, topic.partitions ?? -1, topic.replication ?? -1, &reason, reason.count)
            else { throw KafkaError(.setup, reason) }
            asked.append(new)
            for (name, value) in topic.configuration { rd_kafka_NewTopic_set_config(new, name, value) }
        }
        return try ask(RD_KAFKA_ADMIN_OP_CREATETOPICS) { options, queue in
            var reason = [CChar](repeating: 0, count: 512)
            rd_kafka_AdminOptions_set_validate_only(options, isTrial ? 1 : 0, &reason, reason.count)
            rd_kafka_AdminOptions_set_operation_timeout(options, Self.timeout, &reason, reason.count)
            rd_kafka_CreateTopics(client, &asked, asked.count, options, queue)
        } read: { event in
            var count = 0
            let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
            var refused: [String: String] = [:]
            for index in 0..<count {
                let result = results?[index]
                let code = rd_kafka_topic_result_error(result)
                // Somebody else may have been quicker.
                guard code != RD_KAFKA_RESP_ERR_NO_ERROR, code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
                    let name = rd_kafka_topic_result_name(result)
                else {
                    continue
                }
                let text = rd_kafka_topic_result_error_string(result) ?? rd_kafka_err2str(code)
                refused[String(cString: name)] = text.map { String(cString: $0) } ?? "refused"
            }
            return refused
        }
    }

    private func ask<Answer>(
        _ operation: rd_kafka_admin_op_t, _ send: (OpaquePointer?, OpaquePointer?) -> Void,
        read: (OpaquePointer) -> Answer
    ) throws(KafkaError) -> Answer {
        let (options, queue) = (rd_kafka_AdminOptions_new(client, operation), rd_kafka_queue_new(client))
        defer {
            rd_kafka_AdminOptions_destroy(options)
            rd_kafka_queue_destroy(queue)
        }
        var reason = [CChar](repeating: 0, count: 512)
        rd_kafka_AdminOptions_set_request_timeout(options, Self.timeout, &reason, reason.count)
        send(options, queue)
        // Its own timeout ends it.
        guard let event = rd_kafka_queue_poll(queue, Self.timeout * 3) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT)
        }
        defer { rd_kafka_event_destroy(event) }
        let code = rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let text = rd_kafka_event_error_string(event).map { String(cString: $0) }
            throw KafkaError(KafkaError(code).kind, text ?? KafkaError(code).description)
        }
        return read(event)
    }
}
