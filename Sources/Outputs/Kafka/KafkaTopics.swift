// Headgate
// SPDX-License-Identifier: Apache-2.0

import Kafka

/// The topics that an output needs, beside those that its cluster has.
public struct KafkaTopics {
    /// How a topic is to be; nil for what the brokers have as their default.
    public struct Shape: Sendable, Equatable {
        public var partitions: Int32?
        public var replication: Int32?
        /// Milliseconds; −1 for ever.
        public var retention: Int64?

        public init(partitions: Int32? = nil, replication: Int32? = nil, retention: Int64? = nil) {
            self.partitions = partitions
            self.replication = replication
            self.retention = retention
        }
    }

    public enum State: Sendable, Equatable {
        case missing
        case created
        /// There already; what of it is other than it should be is told and stays.
        case existing(differences: [String])
        case refused(String)
    }

    private let settings: KafkaOutputSettings
    private let shape: Shape
    private static let retentionKey = "retention.ms"

    public init(_ settings: KafkaOutputSettings, _ shape: Shape) {
        self.settings = settings
        self.shape = shape
    }

    /// What there is of the topics, and creates those that are missing. Waits for the brokers, half a minute at most.
    /// - Parameter isTrial: the brokers only say whether they would.
    public func provision(_ names: [String], isTrial: Bool) throws(OutputFailure) -> [(name: String, state: State)] {
        do throws(KafkaError) {
            let admin = try KafkaAdmin(settings.clientProperties)
            let found = try admin.topics()
            let existing = names.filter { found[$0] != nil }
            let retentions = shape.retention == nil ? [:] : try admin.setting(Self.retentionKey, of: existing)
            let missing = names.filter { found[$0] == nil }
            let refused = try admin.create(missing.map(topic), isTrial: isTrial)
            return names.map { name in
                guard let topic = found[name] else {
                    return (name, refused[name].map { .refused($0) } ?? (isTrial ? .missing : .created))
                }
                return (name, .existing(differences: differences(of: topic, retention: retentions[name])))
            }
        } catch {
            throw OutputFailure("\(error.description), at \(settings.brokers.joined(separator: ", "))")
        }
    }

    private func topic(_ name: String) -> KafkaAdmin.NewTopic {
        KafkaAdmin.NewTopic(
            name: name, partitions: shape.partitions, replication: shape.replication,
            configuration: shape.retention.map { [Self.retentionKey: "\($0)"] } ?? [:])
    }

    private func differences(of topic: KafkaAdmin.Topic, retention: String?) -> [String] {
        var differences: [String] = []
        if let wanted = shape.partitions, wanted != topic.partitions {
            differences.append("\(topic.partitions) partitions, not \(wanted)")
        }
        if let wanted = shape.replication, wanted != topic.replication {
            differences.append("\(topic.replication) replicas, not \(wanted)")
        }
        if let wanted = shape.retention, let retention, retention != "\(wanted)" {
            differences.append("\(Self.retentionKey) \(retention), not \(wanted)")
        }
        return differences
    }
}
