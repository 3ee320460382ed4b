// Headgate
// SPDX-License-Identifier: Apache-2.0

import CRdKafka

/// librdkafka's own broker for tests: speaks Kafka on loopback sockets, keeps what it is sent in memory
/// (at most 5 MB a partition).
public struct MockCluster: ~Copyable {
    private let client: OpaquePointer
    private let cluster: OpaquePointer

    public init(brokers: Int32) throws(KafkaError) {
        var reason = [CChar](repeating: 0, count: 512)
        let configuration = rd_kafka_conf_new()
        rd_kafka_conf_set_log_cb(configuration, nil)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &reason, reason.count) else {
            throw KafkaError(.setup, reason)
        }
        guard let cluster = rd_kafka_mock_cluster_new(client, brokers) else {
            rd_kafka_destroy(client)
            throw KafkaError(.setup, "the mock cluster did not start")
        }
        self.client = client
        self.cluster = cluster
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    // MARK: Faults

    private static let produceRequest: Int16 = 0

    /// The next requests to produce are answered with an error, and not carried out.
    public func fail(_ count: Int, with error: KafkaErrorCode) {
        var errors = [rd_kafka_resp_err_t](repeating: error.code, count: count)
        rd_kafka_mock_push_request_errors_array(cluster, Self.produceRequest, count, &errors)
    }

    /// Whatever is asked of a topic is answered with an error.
    /// - Parameter error: NO_ERROR ends it.
    public func setError(_ error: KafkaErrorCode, ofTopic topic: String) {
        rd_kafka_mock_topic_set_error(cluster, topic, error.code)
    }

    public func create(topic: String, partitions: Int32) throws(KafkaError) {
        try check(rd_kafka_mock_topic_create(cluster, topic, partitions, 1))
    }

    public func setLeader(_ broker: Int32, ofTopic topic: String, partition: Int32) throws(KafkaError) {
        try check(rd_kafka_mock_partition_set_leader(cluster, topic, partition, broker))
    }

    /// Closes a broker's connections and takes no new ones until it is up again.
    public func set(broker: Int32, isUp: Bool) throws(KafkaError) {
        try check(isUp ? rd_kafka_mock_broker_set_up(cluster, broker) : rd_kafka_mock_broker_set_down(cluster, broker))
    }

    /// - Parameter milliseconds: that a broker takes for each answer.
    public func set(broker: Int32, delay milliseconds: Int32) throws(KafkaError) {
        try check(rd_kafka_mock_broker_set_rtt(cluster, broker, milliseconds))
    }

    private func check(_ code: rd_kafka_resp_err_t) throws(KafkaError) {
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
    }

    /// host:port, separated by commas.
    public var bootstrapServers: String { String(cString: rd_kafka_mock_cluster_bootstraps(cluster)) }
}
