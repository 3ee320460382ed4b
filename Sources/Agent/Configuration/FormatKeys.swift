// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import MQTT
import Outputs
import Sparkplug
import YAMLText

/// What is in an output's messages: its `format`, and the keys that go with it.
struct FormatKeys {
    enum Word { case json, avro, sparkplug, block }

    private let format: YAMLValue?
    private let registry: YAMLValue?
    private let sparkplug: YAMLValue?
    private let wait: YAMLValue?
    private let claims: Claims
    let word: Word

    init(_ mapping: YAMLMapping, claims: Claims) {
        self.claims = claims
        format = mapping.take("format")
        registry = mapping.take("registry")
        sparkplug = mapping.take("sparkplug")
        wait = mapping.take("max_delay")
        word =
            format?.word(["json": .json, "avro": .avro, "sparkplug": .sparkplug, "block": .block]) ?? .json
    }

    /// - Parameter resolve: a path from the folder of the configuration.
    func format(
        of output: Configuration.ConfiguredOutput, gateway: String, resolve: @escaping (String) -> String
    ) -> Configuration.ConfiguredOutput.Format? {
        if word != .avro { registry?.problem(.keyNotAllowedHere, "is only for `format: avro`", fix: "remove it") }
        if word != .sparkplug {
            sparkplug?.problem(.keyNotAllowedHere, "is only for `format: sparkplug`", fix: "remove it")
        }
        if word != .block { wait?.problem(.keyNotAllowedHere, "is only for `format: block`", fix: "remove it") }
        switch word {
        case .json: return .json
        case .block: return block(output)
        case .avro: return avro(output, resolve)
        case .sparkplug: return edgeNode(output, gateway)
        }
    }

    private func avro(
        _ output: Configuration.ConfiguredOutput, _ resolve: @escaping (String) -> String
    ) -> Configuration.ConfiguredOutput.Format? {
        switch output.way {
        case .kafka, .mqtt: break
        case .file, .stdout:
            format?.problem(
                .formatNotForOutput, "is only for outputs to Kafka and MQTT",
                fix: "remove it: files and standard output contain one JSON event in each line")
        }
        guard let registry else {
            format.map(RegistryKeys.missing)
            return nil
        }
        guard let configured = RegistryKeys(resolve: resolve).registry(registry) else { return nil }
        if configured.strategy == .topicName, !output.topic.isOfOneRecord {
            registry.problem(
                .formatConflict, "has one subject for each topic, but the topic contains several kinds of records",
                fix: "write subject: topic_record_name, or write {kind} and {map} in the topic")
        }
        return .avro(configured)
    }

    private func block(_ output: Configuration.ConfiguredOutput) -> Configuration.ConfiguredOutput.Format {
        switch output.way {
        case .kafka(let settings, _):
            if settings.isExactlyOnce {
                format?.problem(
                    .formatConflict, "puts many events into a message, and `exactly_once` compares single events",
                    fix: "remove one of the two")
            }
        case .mqtt: break
        case .file, .stdout:
            format?.problem(
                .formatNotForOutput, "is only for outputs to Kafka and MQTT",
                fix: "remove it: files and standard output contain one JSON event in each line")
        }
        if output.topic.isOfDevice {
            format?.problem(
                .formatConflict, "puts the events of all devices into one message",
                fix: "use only {gateway} and {lane} as places in `topic`")
        }
        let microseconds = wait?.duration(atLeast: 0) ?? 5_000_000
        if microseconds > Self.longestWait { wait?.problem(.valueOutOfBounds, "must be at most 1h") }
        return .block(wait: .microseconds(min(microseconds, Self.longestWait)))
    }

    private static let longestWait: Int64 = 3_600_000_000

    private func edgeNode(
        _ output: Configuration.ConfiguredOutput, _ gateway: String
    ) -> Configuration.ConfiguredOutput.Format? {
        guard case .mqtt(let brokers, let retain) = output.way else {
            format?.problem(
                .formatNotForOutput, "is only for outputs to MQTT", fix: "write the broker: mqtt: mqtt://host")
            return nil
        }
        if retain {
            format?.problem(
                .formatConflict, "must not have `retain`: Sparkplug messages are not retained", fix: "remove `retain`")
        }
        guard let sparkplug else {
            format?.problem(
                .missingKey, "must have `sparkplug` with the group of the edge node",
                fix: "write sparkplug: { group: plant-1 }")
            return nil
        }
        guard let mapping = sparkplug.mapping() else { return nil }
        defer { mapping.finish() }
        let group = mapping.require("group", fix: "write group: plant-1")
            .flatMap { SparkplugKeys.level($0, "the name of a group") }
        let node = mapping.take("node").map { SparkplugKeys.level($0, "the name of an edge node") } ?? gateway
        let host = mapping.take("primary_host").map { SparkplugKeys.level($0, "the id of a host") }
        let qos = mapping.take("qos")?.integer(in: 0...1, "a quality of service") ?? 1
        guard let group, let node else { return nil }
        let isAlone = brokers.map {
            claims.claim("edge node", $0.settings.host, String($0.settings.port), group, node)
        }
        if isAlone.contains(false) {
            sparkplug.problem(
                .edgeNodeTaken,
                "is also the edge node of another output at this broker: their births and sequence numbers would mix",
                fix: "give one of them another `node`")
        }
        return .sparkplug(SparkplugNodeName(group: group, node: node), primaryHost: host ?? nil, qos: qos)
    }
}
