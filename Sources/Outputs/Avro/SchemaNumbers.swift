// Headgate
// SPDX-License-Identifier: Apache-2.0

import Crypto
import Events
import Synchronization

/// Under which subject a record's schema stands in the registry, by the names of Confluent's strategies.
public enum SubjectStrategy: String, Sendable, CaseIterable {
    /// `TOPIC-value`: one record a topic.
    case topicName = "topic_name"
    /// The record's full name: the same in all topics.
    case recordName = "record_name"
    /// `TOPIC-` and the record's full name.
    case topicRecordName = "topic_record_name"

    public func subject(topic: String, record: String) -> String {
        switch self {
        case .topicName: "\(topic)-value"
        case .recordName: record
        case .topicRecordName: "\(topic)-\(record)"
        }
    }
}

/// The numbers that a registry has given to schemas, one for each output; kept, so that what was sent once is sent again
/// while the registry is away.
public final class SchemaNumbers: Sendable {
    /// A number as it is kept.
    public struct Entry: Codable, Sendable, Equatable {
        public var registry: String
        public var subject: String
        /// SHA-256 of the schema, in hexadecimal: another schema has another number.
        public var schema: String
        public var id: UInt32
    }

    /// What is to be asked of the registry.
    struct Wanted: Hashable, Sendable {
        var subject: String
        var record: String
    }

    private let registry: SchemaRegistry
    private let strategy: SubjectStrategy
    /// By the record's full name.
    private let schemas: [String: (text: String, hash: String)]
    private let keep: @Sendable (Entry) -> Void
    private let numbers: Mutex<[Wanted: UInt32]>

    /// - Parameters:
    ///   - schemas: by the record's full name.
    ///   - known: from earlier runs.
    public init(
        _ registry: SchemaRegistry, _ strategy: SubjectStrategy, schemas: [String: String], known: [Entry],
        keep: @escaping @Sendable (Entry) -> Void
    ) {
        self.registry = registry
        self.strategy = strategy
        self.schemas = schemas.mapValues { ($0, Self.hash($0)) }
        self.keep = keep
        var numbers: [Wanted: UInt32] = [:]
        for entry in known where entry.registry == registry.settings.url {
            for (record, schema) in self.schemas where schema.hash == entry.schema {
                numbers[Wanted(subject: entry.subject, record: record)] = entry.id
            }
        }
        self.numbers = Mutex(numbers)
    }

    private static func hash(_ text: String) -> String {
        SHA256.hash(data: Array(text.utf8)).map { String($0, radix: 16, padded: 2) }.joined()
    }

    func wanted(topic: String, record: String) -> Wanted {
        Wanted(subject: strategy.subject(topic: topic, record: record), record: record)
    }

    /// Nil where the registry has not been asked yet.
    func number(_ wanted: Wanted) -> UInt32? { numbers.withLock { $0[wanted] } }

    /// Asks the registry.
    func ask(_ wanted: Wanted) async throws(OutputFailure) {
        guard let schema = schemas[wanted.record] else {
            throw OutputFailure("no schema is known for \(wanted.record)")
        }
        let id = try await registry.id(of: schema.text, subject: wanted.subject)
        numbers.withLock { $0[wanted] = id }
        keep(Entry(registry: registry.settings.url, subject: wanted.subject, schema: schema.hash, id: id))
    }
}
