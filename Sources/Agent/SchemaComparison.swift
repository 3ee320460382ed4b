// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Outputs
import Schemas

/// What a change of a schema means for those who read events: `headgate schema check`.
public struct SchemaComparison: Encodable {
    /// Who has to read what, by Confluent's names.
    public enum Rule: String, CaseIterable, Sendable {
        /// Consumers with the new schema read what was sent before.
        case backward
        /// Consumers that still have the old schema read what is sent from now on.
        case forward
        case full
    }

    public struct Breach: Encodable {
        public var path: String
        /// What cannot be read.
        public var why: String
        /// Whom it breaks: `new` consumers that read old events, or `old` ones that read new events.
        public var consumers: String
    }

    public var record: String
    /// Where the schema that was sent before is from; nil where there was none.
    public var released: String?
    public var breaches: [Breach]

    init(_ record: String, new: JSONDocument, old: JSONDocument, from released: String, _ rule: Rule) {
        self.record = record
        self.released = released
        var breaches: [Breach] = []
        if rule != .forward {
            breaches += AvroCompatibility.breaches(reader: new, writer: old)
                .map { Breach(path: $0.path, why: $0.why, consumers: "new") }
        }
        if rule != .backward {
            breaches += AvroCompatibility.breaches(reader: old, writer: new)
                .map { Breach(path: $0.path, why: $0.why, consumers: "old") }
        }
        self.breaches = breaches
    }

    private init(_ record: String) {
        self.record = record
        breaches = []
    }

    /// Compares a map with its schema in a file, or with an earlier version of it.
    /// - Parameter released: the file's content: JSON of an Avro schema, or a map.
    public static func compare(_ map: DeviceMap, with released: ReleasedSchema, _ rule: Rule) -> SchemaComparison {
        let new = AvroSchema.telemetry(of: map, fields: map.fields())
        return SchemaComparison(
            new["name"]?.asString ?? map.name, new: new, old: released.schema, from: released.name, rule)
    }

    /// Compares what each Avro output sends with what its registry has.
    public static func compareWithRegistries(
        _ configuration: Configuration, _ rule: Rule
    ) async throws -> [SchemaComparison] {
        var comparisons: [SchemaComparison] = []
        for output in configuration.outputs {
            var compared: Set<String> = []
            guard case .avro(let configured) = output.format else { continue }
            let registry = try configured.revealed()
            let schemas = RecordSchemas(configuration, units: output.units).byName
            for entry in OutputRecords(configuration, output).entries {
                let subject = configured.strategy.subject(topic: entry.topic, record: entry.record)
                guard compared.insert(subject).inserted, let new = schemas[entry.record] else { continue }
                guard let text = try await registry.latest(subject: subject) else {
                    comparisons.append(SchemaComparison(entry.record))
                    continue
                }
                guard let old = JSONDocument(text.utf8) else {
                    throw StartError(.notAvro, "the subject \(subject) of the registry is not an Avro schema")
                }
                comparisons.append(SchemaComparison(entry.record, new: new, old: old, from: subject, rule))
            }
        }
        return comparisons
    }
}

/// A schema that consumers have already.
public struct ReleasedSchema {
    public var name: String
    var schema: JSONDocument

    /// - Parameter text: an Avro schema. Nil where it is no JSON of a record.
    public init?(avro text: String, name: String) {
        guard let schema = JSONDocument(text.utf8), schema["fields"] != nil else { return nil }
        self.name = name
        self.schema = schema
    }

    public init(_ map: DeviceMap, name: String) {
        self.name = name
        schema = AvroSchema.telemetry(of: map, fields: map.fields())
    }
}
