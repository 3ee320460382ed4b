// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

// What is said of devices and of the gateway itself, field by field in the order of its record; and the types that fields
// are of.

extension EventAvro {
    static func write(_ status: StatusChange, to out: inout ByteWriter) {
        out.zigzag(Int64(status.state.rawValue))
        out.avro(status.since)
        out.avro(optional: status.reason == .none ? nil : status.reason.name)
        out.avro(optional: status.reason.code?.description)
    }

    static func write(_ gap: Gap, to out: inout ByteWriter) {
        out.avro(gap.cause.name)
        out.avro(optional: gap.cause.code?.description)
        out.avro(gap.lane.name)
        for number in [gap.first, gap.last, gap.count] { out.zigzag(Int64(clamping: number)) }
        out.avro(gap.since)
        out.avro(gap.until)
        if !gap.outputs.isEmpty { out.zigzag(Int64(gap.outputs.count)) }
        for output in gap.outputs { out.avro(output) }
        out.byte(0)
    }

    static func write(_ attempt: WriteAttempt, to out: inout ByteWriter) {
        out.avro(attempt.id)
        out.avro(attempt.point)
        out.avro(optional: attempt.unit.isEmpty ? nil : attempt.unit)
        out.avro(attempt.value)
        out.zigzag(Int64(attempt.phase.rawValue))
        out.avro(optional: attempt.reason.isEmpty ? nil : attempt.reason)
        out.avro(optional: attempt.code?.description)
        out.avro(optional: attempt.found.isEmpty ? nil : attempt.found)
        out.avro(attempt.by)
        out.avro(attempt.deadline)
    }

    static func write(_ alarm: Alarm, to out: inout ByteWriter) {
        out.avro(alarm.id)
        out.avro(alarm.rule)
        out.zigzag(Int64(alarm.phase.rawValue))
        out.zigzag(Int64(alarm.priority.rawValue) - 1)
        out.avro(alarm.since)
        out.avro(optional: alarm.remark == .none ? nil : alarm.remark.name)
        out.avro(optional: alarm.remark.code?.description)
        out.avro(optional: alarm.text.isEmpty ? nil : alarm.text)
    }
}

extension ByteWriter {
    mutating func avro(_ text: some StringProtocol) {
        zigzag(Int64(text.utf8.count))
        raw(text.utf8)
    }

    mutating func avro(_ word: StaticString) {
        zigzag(Int64(word.utf8CodeUnitCount))
        text(word)
    }

    /// Of the union `["null", "string"]`.
    mutating func avro(optional text: String?) {
        byte(text == nil ? 0 : 2)
        if let text { avro(text) }
    }

    mutating func avro(optional word: StaticString?) {
        byte(word == nil ? 0 : 2)
        if let word { avro(word) }
    }

    mutating func avro(_ isTrue: Bool) { byte(isTrue ? 1 : 0) }

    mutating func avro(_ number: Double) { fixed(number.bitPattern) }

    /// Microseconds since 1970, of the logical type `timestamp-micros`.
    mutating func avro(_ time: Timestamp) { zigzag(time.microseconds) }

    /// An enumeration in the order of the raw values.
    mutating func avro(_ quality: Quality) { zigzag(Int64(quality.rawValue)) }

    /// A map of strings.
    mutating func avro(_ tags: [Device.Tag]) {
        if !tags.isEmpty { zigzag(Int64(tags.count)) }
        for tag in tags {
            avro(tag.name)
            avro(tag.value)
        }
        byte(0)
    }

    /// By itself, where its type is known.
    @inline(__always)
    mutating func avro(_ value: Value, of batch: Batch) {
        switch value {
        case .none: break
        case .boolean(let isTrue): avro(isTrue)
        case .integer(let integer): zigzag(integer)
        case .unsigned(let number): avroDecimal(number)
        case .single(let number): fixed32(number.bitPattern)
        case .number(let number): avro(number)
        case .text(let index): avro(batch.text(at: index))
        }
    }

    /// A `decimal` of no places: two's complement in as few bytes as that takes, the most significant first (Avro 1.11,
    /// "Decimal").
    private mutating func avroDecimal(_ number: UInt64) {
        let bytes = [UInt8(0)] + (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
        zigzag(Int64(bytes.count))
        raw(bytes)
    }

    /// Of the union `["null", "boolean", "long", "float", "double", "string", decimal]`.
    mutating func avroUnion(_ value: Value, of batch: Batch) {
        switch value {
        case .none: byte(0)
        case .boolean: byte(2)
        case .integer: byte(4)
        case .single: byte(6)
        case .number: byte(8)
        case .text: byte(10)
        case .unsigned: byte(12)
        }
        avro(value, of: batch)
    }
}
