// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Outputs
import YAMLText

/// The `outputs:` of a configuration.
struct OutputKeys {
    let gateway: String
    let devices: [Configuration.ConfiguredDevice]
    /// Whether none is missing for a mistake of its own.
    let areAll: Bool
    let claims: Claims
    let resolve: (String) -> String
    let state: String
    /// The configuration's own file.
    let file: String

    func outputs(_ value: YAMLValue?) -> [Configuration.ConfiguredOutput] {
        (value?.mapping()?.all() ?? []).compactMap { key, value in
            guard let name = ConfigurationFile.name(key), let mapping = value.mapping() else { return nil }
            defer { mapping.finish() }
            let (kafka, mqtt) = (mapping.take("kafka"), mapping.take("mqtt"))
            let (file, stdout) = (mapping.take("file"), mapping.take("stdout"))
            let isInOrder = mapping.take("backlog")?.word(["behind": false, "in_order": true])
            let maxRate = mapping.take("max_rate")?.integer(in: 1...1_000_000)
            let format = FormatKeys(mapping, claims: claims)
            let units = mapping.take("units").map(Self.units)
            let (allow, allowTags) = (mapping.take("allow"), mapping.take("allow_tags"))
            let topics = kafka.flatMap { _ in mapping.take("topics") }?.mapping().map(self.topics)
            let ways = [kafka, mqtt, file, stdout].compactMap(\.self)
            guard ways.count == 1 else {
                value.problem(
                    .needsExactlyOneOf, "must have exactly one of `kafka`, `mqtt`, `file` and `stdout`",
                    fix: "write { file: events.jsonl }")
                return nil
            }
            let way: Configuration.ConfiguredOutput.Way? =
                if let kafka { self.kafka(kafka, mapping) } else if let mqtt {
                    self.mqtt(mqtt, name, mapping)
                } else if let file {
                    self.file(file, mapping)
                } else { .stdout }
            // Topics of Sparkplug are its own.
            let needsTopic = (kafka != nil || mqtt != nil) && format.word != .sparkplug
            let topic = needsTopic ? topic(mapping, isKafka: kafka != nil) : TopicTemplate("")
            guard let way, let topic else { return nil }
            var output = Configuration.ConfiguredOutput(name: name, way: way, topic: topic)
            output.isInOrder = isInOrder ?? false
            output.maxRate = maxRate
            output.units = units ?? [:]
            if let topics { output.topics = topics }
            if let allow { output.allowed = allowed(allow) }
            if let allowTags { output.allowedTags = tags(allowTags, of: output) }
            if let format = format.format(of: output, gateway: gateway, resolve: resolve) { output.format = format }
            return output
        }
    }

    private func allowed(_ value: YAMLValue) -> [Selection] {
        let entries = (value.sequence() ?? []).compactMap { entry -> Selection? in
            guard let mapping = entry.mapping() else { return nil }
            defer { mapping.finish() }
            let selection = Selection(mapping)
            _ = selection.meantPoints(of: selection.meant(devices, entry, areAll: areAll), entry, areAll: areAll)
            return selection
        }
        if entries.isEmpty {
            value.problem(.emptyList, "allows nothing", fix: "write allow: [{ points: [power_*, energy] }]")
        }
        return entries
    }

    private func tags(_ value: YAMLValue, of output: Configuration.ConfiguredOutput) -> Set<String> {
        let names = Set((value.sequence() ?? []).compactMap { $0.string() })
        if let other = output.topic.tags.first(where: { !names.contains($0) }) {
            value.problem(
                .topicTagMissing, "does not include \(other), which the topic contains",
                fix: "add it, or remove it from the topic")
        }
        proveTags(names, value)
        return names
    }

    private func proveTags(_ names: Set<String>, _ value: YAMLValue) {
        let known = Set(devices.flatMap { $0.tags.map(\.name) })
        guard areAll, let unknown = names.subtracting(known).min() else { return }
        value.problem(
            .unknownTag, "names the tag \(unknown), which no device has",
            fix: Spelling.nearest(to: unknown, among: known.sorted()).map { "did you mean \($0)?" } ?? "")
    }

    /// `Cel: "[degF]"`: what is in one unit is told in the other.
    private static func units(_ value: YAMLValue) -> [String: UnitChange] {
        var changes: [String: UnitChange] = [:]
        for (key, value) in value.mapping()?.all() ?? [] {
            guard let own = key.scalar, let told = value.string() else { continue }
            guard let from = UnitOfMeasure(own), !own.isEmpty else {
                key.problem(
                    .unknownUnit, "is not a UCUM unit: `\(own)`", fix: UCUM.meant(by: own).map { "write \($0)" } ?? "")
                continue
            }
            guard let to = UnitOfMeasure(told), !told.isEmpty else {
                value.problem(
                    .unknownUnit, "is not a UCUM unit: `\(told)`", fix: UCUM.meant(by: told).map { "write \($0)" } ?? ""
                )
                continue
            }
            guard let conversion = from.conversion(to: to) else {
                value.problem(
                    .incompatibleUnit, "cannot be converted from \(own): the two measure different quantities",
                    fix: "write a unit of the same quantity")
                continue
            }
            let scaling = Scaling(scale: conversion.scale, offset: conversion.offset)
            changes[own] = UnitChange(unit: told, ofOne: conversion.scale) { scaling.told($0) }
        }
        return changes
    }

    private func topic(_ mapping: YAMLMapping, isKafka: Bool) -> TopicTemplate? {
        guard let value = mapping.require("topic", fix: "write topic: telemetry.{map}"), let text = value.string()
        else { return nil }
        guard let template = TopicTemplate(text), !text.isEmpty, !text.contains("+"), !text.contains("#") else {
            value.problem(.invalidTopic, "is not a valid topic", fix: "use these places: \(TopicTemplate.places)")
            return nil
        }
        proveTags(Set(template.tags), value)
        if isKafka, !template.isForKafka {
            value.problem(
                .invalidKafkaTopic, "is not a valid Kafka topic",
                fix: "use letters, digits, dots, _ and -, for example telemetry.{map}")
        }
        return template
    }

    private func kafka(_ value: YAMLValue, _ mapping: YAMLMapping) -> Configuration.ConfiguredOutput.Way? {
        let listed = value.isSequence ? value.sequence() ?? [] : [value]
        let brokers = listed.compactMap { $0.endpoint(defaultPort: 9_092) }.map {
            $0.host.contains(":") ? "[\($0.host)]:\($0.port)" : "\($0.host):\($0.port)"
        }
        if brokers.isEmpty {
            value.problem(.emptyList, "must have at least one broker", fix: "write kafka: [broker-1:9092]")
        }
        var settings = KafkaOutputSettings(brokers: brokers, clientID: mapping.take("client_id")?.string() ?? gateway)
        settings.compression =
            mapping.take("compression")?.word([
                "none": "none", "gzip": "gzip", "snappy": "snappy", "lz4": "lz4", "zstd": "zstd",
            ]) ?? "none"
        settings.partitioner =
            mapping.take("partitioner")?.word([
                "murmur2_random": .murmur2, "consistent_random": .crc32, "fnv1a_random": .fnv1a,
            ]) ?? .murmur2
        if let tls = mapping.take("tls") { settings.tls = self.tls(tls) }
        settings.isExactlyOnce = mapping.take("exactly_once")?.boolean() ?? false
        settings.idPrefix = gateway + "/"
        var password: Secret?
        if let sasl = mapping.take("sasl")?.mapping() {
            let mechanism = sasl.require("mechanism", fix: "write mechanism: scram-sha-512")?.word([
                "plain": KafkaOutputSettings.SASL.plain, "scram-sha-256": .scram256, "scram-sha-512": .scram512,
            ])
            let username = sasl.require("username", fix: "name the user")?.string()
            password = sasl.require("password", fix: "write password: { file: … }").flatMap {
                SecretKeys.secret($0, resolve)
            }
            sasl.finish()
            if let mechanism, let username { settings.sasl = (mechanism, username, "") }
        }
        return brokers.isEmpty ? nil : .kafka(settings, password: password)
    }

    /// How `headgate provision` makes topics.
    private func topics(_ mapping: YAMLMapping) -> KafkaTopics.Shape {
        defer { mapping.finish() }
        let partitions = mapping.take("partitions")?.integer(in: 1...10_000)
        let replication = mapping.take("replication")?.integer(in: 1...100)
        let retention = mapping.take("retention").flatMap { value in
            value.scalar == "forever" ? -1 : value.duration(atLeast: 1_000).map { $0 / 1_000 }
        }
        return KafkaTopics.Shape(
            partitions: partitions.map { Int32($0) }, replication: replication.map { Int32($0) }, retention: retention)
    }

    /// `true`, or the files.
    private func tls(_ value: YAMLValue) -> KafkaOutputSettings.TLS? {
        if value.scalar == "true" { return .init(ca: nil, certificate: nil, key: nil) }
        if value.scalar == "false" { return nil }
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let (certificate, key) = (mapping.take("certificate"), mapping.take("key"))
        if (certificate == nil) != (key == nil) {
            value.problem(.incompletePair, "must have both `certificate` and `key`")
        }
        return .init(
            ca: mapping.take("ca")?.pemFile(resolve), certificate: certificate?.pemFile(resolve),
            key: key?.pemFile(resolve))
    }

    private func mqtt(
        _ url: YAMLValue, _ name: String, _ mapping: YAMLMapping
    ) -> Configuration.ConfiguredOutput.Way? {
        let retain = mapping.take("retain")?.boolean() ?? false
        // The broker keeps nothing for a client that only sends.
        return BrokerKeys(mapping, claims: claims, resolve: resolve)
            .brokers(url, clientID: "\(gateway)-out-\(name)").map { .mqtt($0, retain: retain) }
    }

    private func file(_ value: YAMLValue, _ mapping: YAMLMapping) -> Configuration.ConfiguredOutput.Way? {
        let rotate = mapping.take("rotate")?.bytes() ?? 64 << 20
        let keep = mapping.take("keep")?.integer(in: 0...10_000) ?? 10
        let mode = mapping.take("mode").flatMap(Self.mode) ?? 0o640
        guard let path = value.string().map(resolve) else { return nil }
        if FilePath.isInside(path, state) {
            value.problem(
                .fileInStateFolder, "is inside the state folder (\(state)), which only the gateway writes to",
                fix: "write the file elsewhere")
        }
        let resolved = FilePath.resolved(path)
        if resolved == FilePath.resolved(file) {
            value.problem(.fileTaken, "is the file of this configuration", fix: "write the name of another file")
        }
        if !([resolved] + (0..<keep).map { "\(resolved).\($0 + 1)" }).allSatisfy({ claims.claim("file", $0) }) {
            value.problem(
                .fileTaken, "is also a file of another output, or a name to which the other output rotates its file",
                fix: "give each output its own file")
        }
        value.proveFolder(of: path)
        return .file(path: path, rotate: Int(clamping: rotate), keep: keep, mode: mode)
    }

    /// Permissions as `chmod` has them.
    private static func mode(_ value: YAMLValue) -> UInt32? {
        guard let text = value.scalar, (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8),
            mode & 0o600 == 0o600, mode & ~0o666 == 0
        else {
            value.problem(
                .invalidFileMode, "must be the permissions of a file", fix: "write mode: 0640 (the default) or 0600")
            return nil
        }
        return mode
    }
}
