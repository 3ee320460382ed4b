// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import MQTT
import Outputs
import Schemas
import Sparkplug

/// What a gateway sends where, as AsyncAPI 3.0 describes it: servers, topics, and the schema of each message.
public struct AsyncAPIDocument {
    private let configuration: Configuration
    private var servers: [(String, JSONDocument)] = []
    private var channels: [(String, JSONDocument)] = []
    private var operations: [(String, JSONDocument)] = []
    private var messages: [(String, JSONDocument)] = []
    private var schemas: [(String, JSONDocument)] = []

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        for output in configuration.outputs {
            guard let server = Self.server(of: output) else { continue }
            servers.append((output.name, server))
            switch output.format {
            case .json, .avro: describe(output)
            case .sparkplug(let node, _, _): describe(node, output)
            case .block: describeBlocks(output)
            }
        }
    }

    public var document: JSONDocument {
        [
            "asyncapi": "3.0.0",
            "info": [
                "title": .string("Headgate \(configuration.gateway)"), "version": .string(Gateway.version),
                "description": "What the gateway sends. Schemas are those of the maps that it has now.",
            ],
            "defaultContentType": "application/json",
            "servers": .object(servers), "channels": .object(channels), "operations": .object(operations),
            "components": ["messages": .object(messages), "schemas": .object(schemas)],
        ]
    }

    /// Nil where there is no broker.
    private static func server(of output: Configuration.ConfiguredOutput) -> JSONDocument? {
        switch output.way {
        case .kafka(let settings, _):
            var server = server(settings.brokers)
            server.set("protocol", settings.tls == nil ? "kafka" : "kafka-secure")
            return server
        case .mqtt(let brokers, _):
            var server = server(brokers.map { "\($0.settings.host):\($0.settings.port)" })
            let first = brokers.first?.settings
            server.set("protocol", first?.tls == nil ? "mqtt" : "secure-mqtt")
            server.set("protocolVersion", first?.version == .v5 ? "5" : "3.1.1")
            return server
        case .file, .stdout: return nil
        }
    }

    private static func server(_ brokers: [String]) -> JSONDocument {
        let others = brokers.dropFirst().joined(separator: ", ")
        return [
            "host": .string(brokers.first ?? ""),
            "description": .string(others.isEmpty ? "The broker." : "And \(others)."),
        ]
    }

    // MARK: Topics

    private mutating func describe(_ output: Configuration.ConfiguredOutput) {
        let records = OutputRecords(configuration, output)
        var described: Set<String> = []
        for entry in records.entries where described.insert(entry.record).inserted {
            messages.append((Self.key(output, entry), message(entry, output)))
        }
        for topic in records.topics {
            let own = records.entries.filter { $0.topic == topic }
            add(topic, own.map { (Self.plain($0.record), Self.key(output, $0)) }, output)
        }
    }

    /// Many events in a message, of whatever kind.
    private mutating func describeBlocks(_ output: Configuration.ConfiguredOutput) {
        let key = Self.plain("\(output.name).block")
        let message: JSONDocument = [
            "name": "block", "title": "deploy/block-format.md", "contentType": "application/vnd.headgate.block",
        ]
        messages.append((key, message))
        for topic in OutputRecords(configuration, output).topics { add(topic, [("block", key)], output) }
    }

    /// What an edge node of Sparkplug B sends: protobuf, which births describe.
    private mutating func describe(_ node: SparkplugNodeName, _ output: Configuration.ConfiguredOutput) {
        for kind in SparkplugTopic.Kind.allCases {
            let key = Self.plain("\(output.name).\(kind.rawValue)")
            let message: JSONDocument = [
                "name": .string(kind.rawValue), "title": .string("\(kind.rawValue) of Sparkplug 3.0.0"),
                "contentType": "application/x-protobuf",
            ]
            messages.append((key, message))
            let topic = SparkplugTopic(kind, node, device: kind.isOfDevice ? "*" : nil)
            add(topic.text, [(kind.rawValue, key)], output)
        }
    }

    /// - Parameter own: the messages on a topic: their names there, and their keys among the document's.
    private mutating func add(
        _ topic: String, _ own: [(name: String, key: String)], _ output: Configuration.ConfiguredOutput
    ) {
        var name = Self.plain("\(output.name).\(topic)")
        // Topics may differ in what no key can have.
        while channels.contains(where: { $0.0 == name }) { name += "_" }
        var channel: JSONDocument = [
            // A device that messages name stands for many.
            "address": .string(topic.replacing("*", with: "{id}")),
            "servers": [Self.reference("servers", output.name)],
            "messages": .object(own.map { ($0.name, Self.reference("components/messages", $0.key)) }),
        ]
        if topic.contains("*") { channel.set("parameters", ["id": ["description": "Taken from messages."]]) }
        channels.append((name, channel))
        operations.append(
            (
                "send_\(name)",
                [
                    "action": "send", "channel": Self.reference("channels", name),
                    "messages": .array(own.map { Self.reference("channels/\(name)/messages", $0.name) }),
                ]
            ))
    }

    private static func key(_ output: Configuration.ConfiguredOutput, _ entry: OutputRecords.Entry) -> String {
        plain("\(output.name).\(entry.record)")
    }

    private static func reference(_ place: String, _ name: String) -> JSONDocument {
        ["$ref": .string("#/\(place)/\(name)")]
    }

    /// As keys of components have to be.
    private static func plain(_ text: String) -> String {
        String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) ? $0 : "_" })
    }

    // MARK: Messages

    private mutating func message(
        _ entry: OutputRecords.Entry, _ output: Configuration.ConfiguredOutput
    ) -> JSONDocument {
        let isAvro = if case .avro = output.format { true } else { false }
        let isBare = if case .kafka = output.way { true } else { false }
        var message: JSONDocument = [
            "name": .string(entry.record), "title": .string(entry.kind.type),
            "contentType": isAvro ? "application/avro" : isBare ? "application/json" : "application/cloudevents+json",
        ]
        if isBare { message.set("headers", Self.headers(entry.kind)) }
        message.set("payload", isAvro ? avro(entry, output) : json(entry, output, isBare: isBare))
        return message
    }

    /// The attributes of CloudEvents, where they are beside the payload.
    private static func headers(_ kind: EventKind) -> JSONDocument {
        let names = ["ce_specversion", "ce_id", "ce_source", "ce_subject", "ce_time", "content-type"]
        return [
            "type": "object",
            "properties": .object(
                names.map { ($0, ["type": "string"]) } + [("ce_type", ["const": .string(kind.type)])]),
        ]
    }

    private func avro(_ entry: OutputRecords.Entry, _ output: Configuration.ConfiguredOutput) -> JSONDocument {
        let schema = map(entry).map {
            AvroSchema.telemetry(of: $0, fields: configuration.fields(of: $0, units: output.units))
        }
        return [
            "schemaFormat": "application/vnd.apache.avro+json;version=1.9.0",
            "schema": schema ?? AvroSchema.own(entry.kind),
        ]
    }

    private mutating func json(
        _ entry: OutputRecords.Entry, _ output: Configuration.ConfiguredOutput, isBare: Bool
    ) -> JSONDocument {
        var envelope = EventJSONSchema.envelope(of: entry.kind)
        for (name, schema) in envelope["$defs"]?.asMembers ?? []
        where !schemas.contains(where: { $0.0 == "\(entry.kind.name)_\(name)" }) {
            schemas.append(("\(entry.kind.name)_\(name)", Self.moved(schema, entry.kind)))
        }
        var data = Self.moved(envelope["properties"]?["data"] ?? .null, entry.kind)
        if let map = map(entry) {
            data = EventJSONSchema.telemetry(
                of: map, fields: configuration.fields(of: map, units: output.units), units: output.units)
            data.remove("$schema")
        }
        if isBare { return data }
        for key in ["$schema", "$defs"] { envelope.remove(key) }
        envelope = Self.moved(envelope, entry.kind)
        var properties = envelope["properties"] ?? .null
        properties.set("data", data)
        envelope.set("properties", properties)
        return envelope
    }

    private func map(_ entry: OutputRecords.Entry) -> DeviceMap? {
        entry.map.flatMap { name in configuration.recordedMaps.first { $0.name == name } }
    }

    /// A schema whose definitions stand among the document's.
    private static func moved(_ schema: JSONDocument, _ kind: EventKind) -> JSONDocument {
        switch schema {
        case .array(let elements): return .array(elements.map { moved($0, kind) })
        case .object(let members):
            return .object(
                members.map { key, value in
                    guard key == "$ref", let target = value.asString, target.hasPrefix("#/$defs/") else {
                        return (key, moved(value, kind))
                    }
                    return (key, .string("#/components/schemas/\(kind.name)_\(target.dropFirst(8))"))
                })
        default: return schema
        }
    }
}
