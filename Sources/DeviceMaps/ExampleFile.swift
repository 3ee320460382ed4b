// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import YAMLText

/// The `examples:` of a device map.
struct ExampleFile {
    typealias Place = (YAMLValue, RegisterTable?) -> (table: RegisterTable, address: UInt16)?

    let points: [Point]
    /// What an address means in the map; nil for maps of messages.
    let place: Place?
    /// Of maps of messages.
    var form: MQTTForm?

    func examples(in root: YAMLMapping) -> [Example] {
        guard root.provesExamples || root.has("examples") else { return [] }
        guard
            let listed = root.require(
                "examples", fix: "add an example of registers or of a message, and what the map computes from it")
        else { return [] }
        let examples = listed.sequence() ?? []
        if examples.isEmpty, root.provesExamples { listed.problem(.examplesMissing, "must have at least one example") }
        return examples.compactMap(example)
    }

    private func example(_ value: YAMLValue) -> Example? {
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let source = mapping.take("source")
        if let source, let text = source.string(), text.allSatisfy(\.isWhitespace) {
            source.problem(
                .exampleWithoutSource,
                "must name the reading of a real device or the document that the example is from",
                fix: "write source: computed if the values were computed from the formulas of this map")
        }
        let given = place == nil ? message(mapping) : registers(mapping)
        let gives = mapping.require("expect", fix: "write expect: { point: value }")?.mapping()?.all() ?? []
        let expected = gives.compactMap(expectation)
        guard let given else { return nil }
        var example = Example(given: given, gives: expected, line: value.line)
        example.source = source?.scalar
        if place == nil { takeMessage(mapping, &example) }
        return example
    }

    /// What a message says beside the values of its points.
    private func takeMessage(_ mapping: YAMLMapping, _ example: inout Example) {
        if let time = mapping.take("time"), let text = time.string() {
            example.time = Timestamp(iso8601: text.utf8)
            if example.time == nil { time.problem(.invalidTime, "must be a time, like 2026-11-21T09:00:00Z") }
            if form?.time == nil {
                time.problem(.keyNotAllowedHere, "cannot be checked: the map has no `time`", fix: "remove it")
            }
        }
        example.deviceTopic = mapping.take("device_topic")?.string() ?? ""
        guard let device = mapping.take("device") else { return }
        example.device = device.string()
        if form?.id == nil {
            device.problem(.keyNotAllowedHere, "cannot be checked: the map has no `id`", fix: "remove it")
        } else if !(form?.id?.levels.isEmpty ?? true) || form?.id?.rest != nil, example.deviceTopic.isEmpty {
            device.problem(
                .missingKey, "must have `device_topic`, from which the map takes the device ID",
                fix: "write device_topic: zigbee2mqtt/lamp")
        }
    }

    private func expectation(
        _ key: YAMLValue, _ value: YAMLValue
    ) -> (point: String, expected: Example.Expected)? {
        let name = key.scalar ?? ""
        guard points.contains(where: { $0.name == name }) else {
            let nearest = Spelling.nearest(to: name, among: points.map(\.name))
            key.problem(.unknownPoint, "is not a point of this map", fix: nearest.map { "did you mean \($0)?" } ?? "")
            return nil
        }
        let text = value.scalar ?? ""
        if value.isQuoted { return (name, .text(text)) }
        if text == "true" || text == "false" { return (name, .boolean(text == "true")) }
        if let quality = Quality.allCases.first(where: { "\($0.name)" == text }) { return (name, .quality(quality)) }
        if let whole = Value(wholeNumber: text) { return (name, .whole(whole)) }
        if let number = Double(text) { return (name, .number(number)) }
        return (name, .text(text))
    }

    // MARK: What is given

    private func registers(_ mapping: YAMLMapping) -> Example.Given? {
        guard
            let tables = mapping.require("registers", fix: "write registers: { input: { 0x0000: [0x4366] } }")?
                .mapping()
        else { return nil }
        var registers: [RegisterTable: [Int: UInt16]] = [:]
        for table in RegisterTable.allCases {
            for (address, words) in tables.take(table.rawValue)?.mapping()?.all() ?? [] {
                guard let place = place?(address, table) else { continue }
                for (offset, word) in (words.sequence() ?? []).enumerated() {
                    let number = word.integer(in: 0...(table.holdsBits ? 1 : 0xFFFF), "a raw value")
                    registers[place.table, default: [:]][Int(place.address) + offset] = UInt16(number ?? 0)
                }
            }
        }
        tables.finish()
        return .registers(registers)
    }

    private func message(_ mapping: YAMLMapping) -> Example.Given? {
        let topic = mapping.take("topic")?.string() ?? ""
        guard let payload = mapping.require("payload", fix: "write payload: '{\"power\": 12.5}' or { hex: \"00fa\" }")
        else { return nil }
        if !payload.isMapping {
            return payload.string().map { .message(topic: topic, payload: Array($0.utf8)) }
        }
        guard let inner = payload.mapping(), let hex = inner.require("hex", fix: "write hex: \"00fa 0112\"") else {
            return nil
        }
        inner.finish()
        let digits = (hex.string() ?? "").filter { $0 != " " }.utf8.map { Character(Unicode.Scalar($0)) }
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)
        }
        guard bytes.count * 2 == digits.count else {
            hex.problem(.invalidHex, "must be bytes in hexadecimal, two digits each")
            return nil
        }
        return .message(topic: topic, payload: bytes)
    }
}
