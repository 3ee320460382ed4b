// Headgate
// SPDX-License-Identifier: Apache-2.0

import YAMLText

/// The `mqtt:` part of a device map, and the points that are read from messages.
struct MQTTFormFile {
    static let pointKeys = [
        "topic", "payload", "path", "type", "values", "address", "order", "bit", "bits", "length", "samples",
    ]

    private enum PayloadForm { case json, number, text, registers }

    let form: MQTTForm
    let defaults: YAMLMapping?
    private let topic: String
    private let payload: PayloadForm

    init(_ mapping: YAMLMapping) {
        topic = mapping.take("topic").flatMap(Self.topic) ?? ""
        payload = mapping.take("payload")?.word(Self.payloads) ?? .json
        form = MQTTForm(
            time: mapping.take("time").flatMap(Self.time), id: mapping.take("id").flatMap { Self.place($0, also: nil) },
            items: mapping.take("items").flatMap(Self.items),
            silence: mapping.take("silent_after").flatMap(Self.silence) ?? .learnt)
        defaults = mapping.take("defaults")?.mapping()
        defaults?.finishDefaults(ofForm: ["topic", "payload"])
    }

    func source(of keys: PointKeys) -> Point.Source? {
        let topic = keys.take("topic").flatMap(Self.topic) ?? self.topic
        var form = keys.take("payload")?.word(Self.payloads) ?? payload
        // A text that has a unit, a scale or a range is a number written out, unless `values` say what texts stand for.
        if form == .text, keys.isMeasured { form = .number }
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
                keys.problem("needs `path`", fix: "write path: ENERGY.Power")
                return nil
            }
            let type = keys.take("type")?.word(Self.types) ?? (keys.isMeasured ? .measured : .any)
            if type == .string, keys.isMeasured {
                keys.problem(
                    "is a text, and has a unit, a scale or a range, which are of numbers",
                    fix: "leave `type` out, or the others")
            }
            return Self.path(path).map { .json($0, type) }
        case .registers: return registers(keys).map { .registers(address: $0, $1, absent: $2) }
        }
    }

    private func registers(_ keys: PointKeys) -> (address: Int, RegisterLayout, absent: [UInt64])? {
        guard let address = keys.takeOwn("address") else {
            keys.problem("needs `address`", fix: "count registers of two bytes from the payload's start, from 0")
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
                keys.problem("needs `path`, where the list of samples is", fix: "write path: acceleration")
                return nil
            }
            guard let path = Self.path(path), let figure else { return nil }
            return .samples(path, figure)
        case .registers:
            guard let (address, layout, absent) = registers(keys), let figure else { return nil }
            if layout.type == .string || layout.type == .bool || layout.bits != nil {
                value.problem("needs numbers", fix: "write type: int16")
            }
            if case .path = figure.rate {
                value.problem("has no path to its rate in raw bytes", fix: "write rate: 6400")
            }
            return .rawSamples(address: address, layout, absent: absent, figure)
        case .number, .text:
            value.problem("needs a payload that is JSON, or raw bytes", fix: "write payload: json")
            return nil
        }
    }

    // MARK: Parts

    private static func topic(_ value: YAMLValue) -> String? {
        guard let text = value.string() else { return nil }
        if text.hasPrefix("/") || text.hasSuffix("/") || text.contains("+") || text.contains("#") {
            value.problem("should be a topic below the device's own", fix: "no wildcards, no / at its ends")
            return nil
        }
        return text
    }

    static func path(_ value: YAMLValue) -> JSONPath? {
        guard let path = value.string().flatMap(JSONPath.init) else {
            value.problem("is not a path", fix: "write keys with dots between them, like ENERGY.Power or sensors[0].t")
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

    private static func time(_ value: YAMLValue) -> (place: MQTTForm.Place, format: MQTTForm.TimeFormat)? {
        guard let mapping = value.mapping() else { return nil }
        let format = mapping.require("format", fix: "write format: unix, unix_ms, unix_us or iso8601")?
            .word(timeFormats)
        guard let place = place(value, also: "format"), let format else { return nil }
        return (place, format)
    }

    private static func place(_ value: YAMLValue, also: String?) -> MQTTForm.Place? {
        guard let mapping = value.mapping() else { return nil }
        if let also { _ = mapping.take(also) }
        let path = mapping.take("path")
        let level = mapping.take("level")
        mapping.finish()
        switch (path, level) {
        case (let path?, nil): return Self.path(path).map(MQTTForm.Place.path)
        case (nil, let level?):
            guard let number = level.integer(in: -64...64, "a level") else { return nil }
            if number == 0 { level.problem("should count levels from 1, or from -1 at the end") }
            return .level(number)
        default:
            value.problem("needs one of `path` and `level`", fix: "write { path: device.mac } or { level: 2 }")
            return nil
        }
    }

    private static let payloads: KeyValuePairs<String, PayloadForm> = [
        "json": .json, "number": .number, "text": .text, "registers": .registers,
    ]
    private static let types: KeyValuePairs<String, MessageSource.JSONType> = [
        "float64": .number, "int64": .integer, "bool": .boolean, "string": .string,
    ]
    private static let timeFormats: KeyValuePairs<String, MQTTForm.TimeFormat> = [
        "unix": .unix, "unix_ms": .unixMilliseconds, "unix_us": .unixMicroseconds, "iso8601": .iso8601,
    ]
}
