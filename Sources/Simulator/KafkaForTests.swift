// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kafka

/// librdkafka's mock cluster, for as long as this lives.
public final class KafkaForTests {
    private let cluster: MockCluster
    public let address: String

    /// - Parameter addressFile: gets the address, for whoever is to connect.
    public init(addressFile: String) throws {
        let cluster = try MockCluster(brokers: 1)
        try Self.write(cluster.bootstrapServers + "\n", to: addressFile)
        address = cluster.bootstrapServers
        self.cluster = cluster
    }

    private static func write(_ text: String, to path: String) throws(SimulatorError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SimulatorError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard bytes.withUnsafeBytes({ Glibc.write(file, $0.baseAddress, $0.count) }) == bytes.count else {
            throw SimulatorError("\(path): \(String(cString: strerror(errno)))")
        }
    }
}
