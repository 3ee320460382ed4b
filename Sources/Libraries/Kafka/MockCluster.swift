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

    /// host:port, separated by commas.
    public var bootstrapServers: String { String(cString: rd_kafka_mock_cluster_bootstraps(cluster)) }
}
