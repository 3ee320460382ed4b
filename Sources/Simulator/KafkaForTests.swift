// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kafka

/// librdkafka's mock cluster, for as long as this lives.
// The cluster has a thread of its own, which every call hands its work to.
public final class KafkaForTests: @unchecked Sendable {
    private let cluster: MockCluster
    public let address: String

    /// - Parameter addressFile: gets the address, for whoever is to connect.
    public init(addressFile: String, brokers: Int) throws {
        let cluster = try MockCluster(brokers: Int32(clamping: brokers))
        try Self.write(cluster.bootstrapServers + "\n", to: addressFile)
        address = cluster.bootstrapServers
        self.cluster = cluster
    }

    public static let faults = """
        fail ERROR COUNT               the next COUNT requests to produce fail: fail NOT_ENOUGH_REPLICAS 3
        topic TOPIC ERROR              everything asked of a topic fails, until: topic TOPIC NONE
        create TOPIC PARTITIONS        makes a topic
        leader TOPIC PARTITION BROKER  another broker leads a partition
        down BROKER, up BROKER         a broker goes away and comes back; the first is 1
        delay BROKER MILLISECONDS      a broker takes its time for each answer
        """

    /// Does what a line says; see `faults`.
    public func run(_ line: String) throws {
        let words = line.split(separator: " ").map(String.init)
        let numbers = words.map { Int32($0) }
        switch (words.first, words.count) {
        case ("fail", 3): cluster.fail(Int(numbers[2] ?? 1), with: try Self.error(words[1]))
        case ("topic", 3): cluster.setError(try Self.error(words[2]), ofTopic: words[1])
        case ("create", 3): try cluster.create(topic: words[1], partitions: numbers[2] ?? 1)
        case ("leader", 4): try cluster.setLeader(numbers[3] ?? 1, ofTopic: words[1], partition: numbers[2] ?? 0)
        case ("down", 2), ("up", 2): try cluster.set(broker: numbers[1] ?? 1, isUp: words[0] == "up")
        case ("delay", 3): try cluster.set(broker: numbers[1] ?? 1, delay: numbers[2] ?? 0)
        default: throw SimulatorError("\(line) is no fault; there are\n\(Self.faults)")
        }
    }

    private static func error(_ name: String) throws(SimulatorError) -> KafkaErrorCode {
        guard let code = KafkaErrorCode(name: name) else {
            throw SimulatorError("\(name) is no error of Kafka: write NOT_ENOUGH_REPLICAS, or NONE")
        }
        return code
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
