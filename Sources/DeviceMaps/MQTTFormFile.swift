// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

/// The `mqtt:` part of a device map, and the points that are read from messages.
struct MQTTFormFile {
    static let pointKeys = [
        "topic", "payload", "path", "type", "values", "address", "order", "bit", "bits", "length", "encoding",
        "padding", "samples",
    ]

    private enum PayloadForm { case json, number, text, registers }

    let form: MQTTForm
    let defaults: YAMLMapping?
    private let topic: String
    private let payload: PayloadForm

    init(_ mapping: YAMLMapping) {
        topic = mapping.take("topic").flatMap(Self.topic) ?? ""
        payload = mapping.take("payload")?.word(Self.payloads) ?? .json
        var form = MQTTForm()
        form.time = mapping.take("time").flatMap(Self.time)
        form.id = mapping.take("id").flatMap(Self.identity)
        form.items = mapping.take("items").flatMap(Self.items)
        form.silence = mapping.take("offline_after").flatMap(Self.silence) ?? .learnt
        form.presence = mapping.take("presence").flatMap(Self.presence)
        if form.presence != nil, form.id?.path != nil {
            mapping.problem(
                .presenceNeedsTopicID,
                "has `presence`, which needs the device ID from the topic, and takes the ID from the payload",
                fix: "take the ID from the topic")
        }
        form.requires = (mapping.take("requires")?.sequence() ?? []).compactMap(Self.path)
        form.isLenient = mapping.take("lenient")?.boolean() ?? true
        self.form = form
        defaults = mapping.take("defaults")?.mapping()
        defaults?.finishDefaults(ofForm: ["topic", "payload"])
    }

    func source(of keys: PointKeys) -> Point.Source? {
        let topic = keys.take("topic").flatMap(Self.topic) ?? self.topic
        var form = keys.take("payload")?.word(Self.payloads) ?? payload
        // A text that has a unit, a scale or a range is a number written out, unless `values` say what texts stand for.
        if form == .text, keys.isNumber { form = .number }
        guard let payload = payload(form, keys) else { return nil }
        return .message(MessageSource(topic: topic, payload: payload))
    }

    private func payload(_ form: PayloadForm, _ keys: PointKeys) -> MessageSource.Payload? {
        if let samples = keys.takeOwn("samples") { return self.samples(samples, form, keys) }
        switch form {
        case .number: return .number
        case .text: return .text
        case .json:
            guard let path = keys.takeOwn("path") else {
                keys.problem(.missingKey, "must have `path`", fix: "write path: ENERGY.Power")
                return nil
            }
            let type = keys.take("type")?.word(Self.types) ?? (keys.isNumber ? .measured : .any)
            if type == .string, keys.isMeasured {
                keys.problem(
                    .onlyForType, "is a text, and has a unit, a scale or a range, which are only for numbers",
                    fix: "remove `type`, or remove the others")
            }
            return Self.path(path).map { .json($0, type) }
        case .registers: return registers(keys).map { .registers(address: $0, $1, absent: $2) }
        }
    }

    private func registers(_ keys: PointKeys) -> (address: Int, RegisterLayout, absent: [UInt64])? {
        guard let address = keys.takeOwn("address") else {
            keys.problem(
                .missingKey, "must have `address`",
                fix: "count registers of two bytes from the start of the payload, from 0")
            return nil
        }
        guard let number = address.integer(in: 0...32_767, "an address"), let (layout, absent) = keys.layout()
        else {
            return nil
        }
        return (number, layout, absent)
    }

    private func samples(
        _ value: YAMLValue, _ form: PayloadForm, _ keys: PointKeys
    ) -> MessageSource.Payload? {
        let figure = SampleKeys.figure(value)
        switch form {
        case .json:
            guard let path = keys.takeOwn("path") else {
                keys.problem(
                    .missingKey, "must have `path`, the place of the list of samples", fix: "write path: acceleration")
                return nil
            }
            guard let path = Self.path(path), let figure else { return nil }
            return .samples(path, figure)
        case .registers:
            guard let (address, layout, absent) = registers(keys), let figure else { return nil }
            if layout.type == .string || layout.type == .bool || layout.bits != nil {
                value.problem(.samplesNeedNumbers, "must have the type of a number", fix: "write type: int16")
            }
            if case .path = figure.rate {
                value.problem(
                    .samplesNeedNumbers, "must not be a path: raw bytes have no paths", fix: "write rate: 6400")
            }
            return .rawSamples(address: address, layout, absent: absent, figure)
        case .number, .text:
            value.problem(.samplesNeedNumbers, "needs a payload of JSON or of raw bytes", fix: "write payload: json")
            return nil
        }
    }

    // MARK: Parts

    private static func topic(_ value: YAMLValue) -> String? {
        guard let text = value.string() else { return nil }
        if text.hasPrefix("/") || text.hasSuffix("/") || text.contains("+") || text.contains("#") {
            value.problem(
                .invalidSubtopic, "must be a topic below the topic of the device",
                fix: "write it without wildcards, and without / at its start and end")
            return nil
        }
        return text
    }

    static func path(_ value: YAMLValue) -> JSONPath? {
        guard let path = value.string().flatMap(JSONPath.init) else {
            value.problem(
                .invalidPath, "is not a path",
                fix: "write keys with dots between them, like ENERGY.Power or sensors[0].t")
            return nil
        }
        return path
    }

    private static func silence(_ value: YAMLValue) -> MQTTForm.Silence? {
        value.scalar == "never" ? .never : value.duration(atLeast: 1_000_000).map { .after($0) }
    }

    private static func items(_ value: YAMLValue) -> JSONPath? {
        value.scalar == "." ? .root : path(value)
    }

    private static func time(_ value: YAMLValue) -> DeviceTime? {
        guard let mapping = value.mapping() else { return nil }
        let format = mapping.require("format", fix: "write format: unix, unix_ms, unix_us, unix_ns or iso8601")?
            .word(timeFormats)
        let (zone, ahead) = (mapping.take("zone"), mapping.take("max_ahead"))
        let (path, level) = (mapping.take("path"), mapping.take("level"))
        mapping.finish()
        guard let format else { return nil }
        let place: MQTTForm.Place?
        switch (path, level) {
        case (let path?, nil): place = Self.path(path).map(MQTTForm.Place.path)
        case (nil, let level?): place = self.level(level).map(MQTTForm.Place.level)
        default:
            value.problem(
                .needsExactlyOneOf, "must have `path` or `level`", fix: "write { path: time, format: iso8601 }")
            return nil
        }
        var time = place.map { DeviceTime(place: $0, format: format) }
        if let zone {
            if format != .iso8601 {
                zone.problem(
                    .keyNotAllowedHere, "is only for iso8601: the other formats count from 1970 in UTC",
                    fix: "remove it")
            }
            let rules = zone.string().flatMap { TimeZoneRules(named: $0) }
            time?.zone = rules
            if rules == nil {
                zone.problem(
                    .unknownTimeZone, "is not a time zone of this system",
                    fix: "write one like Europe/Berlin, and install the package tzdata")
            }
        }
        if let ahead = ahead?.duration(atLeast: 0) { time?.maxAhead = ahead }
        return time
    }

    private static func level(_ value: YAMLValue) -> Int? {
        guard let number = value.integer(in: -64...64, "a level") else { return nil }
        if number == 0 { value.problem(.invalidLevel, "must be a level: from 1 at the start, or from -1 at the end") }
        return number
    }

    private static func identity(_ value: YAMLValue) -> MessageIdentity? {
        guard let mapping = value.mapping() else { return nil }
        let (path, one) = (mapping.take("path"), mapping.take("level"))
        let (levels, rest) = (mapping.take("levels"), mapping.take("from_level"))
        mapping.finish()
        var identity = MessageIdentity()
        identity.path = path.flatMap(Self.path)
        identity.levels = one.flatMap(level).map { [$0] } ?? (levels?.sequence() ?? []).compactMap(level)
        identity.rest = rest?.integer(in: 1...64, "a level")
        let ways = [one, levels, rest].count { $0 != nil }
        if ways > 1 || (ways == 0 && path == nil) || (levels != nil && identity.levels.isEmpty) {
            value.problem(
                .needsExactlyOneOf,
                "must have `level`, `levels`, `from_level` or `path`; `path` may stand beside one of the others",
                fix: "write { level: 2 }, { levels: [2, 3] }, { from_level: 2 } or { path: device.mac }")
        }
        return identity
    }

    private static func presence(_ value: YAMLValue) -> PresenceTopic? {
        guard let mapping = value.mapping() else { return nil }
        let topic = mapping.require("topic", fix: "write topic: LWT, below the device's own topic").flatMap(self.topic)
        let path = mapping.take("path").flatMap(self.path)
        func words(_ key: String, _ example: String) -> [String] {
            guard let value = mapping.require(key, fix: "write what the device sends: \(key): \(example)") else {
                return []
            }
            if let one = value.scalar { return [one] }
            return (value.sequence() ?? []).compactMap { $0.string() }
        }
        let (online, offline) = (words("online", "Online"), words("offline", "Offline"))
        mapping.finish()
        if let both = online.first(where: offline.contains) {
            value.problem(
                .presenceAmbiguous, "has “\(both)” both in `online` and in `offline`", fix: "remove one of the two")
        }
        return topic.map { PresenceTopic(topic: $0, path: path, online: online, offline: offline) }
    }

    private static let payloads: KeyValuePairs<String, PayloadForm> = [
        "json": .json, "number": .number, "text": .text, "registers": .registers,
    ]
    private static let types: KeyValuePairs<String, MessageSource.JSONType> = [
        "float64": .number, "int64": .integer, "bool": .boolean, "string": .string,
    ]
    private static let timeFormats: KeyValuePairs<String, DeviceTime.Format> = [
        "unix": .unix, "unix_ms": .unixMilliseconds, "unix_us": .unixMicroseconds, "unix_ns": .unixNanoseconds,
        "iso8601": .iso8601,
    ]
}
