// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// That a point may be written, and with what.
public struct Writable: Sendable, Equatable {
    /// In the point's own unit; nil where the point is no number.
    public var range: ClosedRange<Double>?
    /// Some devices take one register or coil only by the functions for several (15 and 16).
    public var usesMultiple: Bool

    public init(range: ClosedRange<Double>?, usesMultiple: Bool = false) {
        self.range = range
        self.usesMultiple = usesMultiple
    }
}

/// A value that somebody wants written.
public enum AskedValue: Sendable, Equatable {
    case number(Double)
    /// A whole number that a double would round.
    case whole(Value)
    case boolean(Bool)
    case text(String)

    /// A number, exactly.
    public init(whole value: Value) { self = value.isExactNumber ? .number(value.asNumber ?? 0) : .whole(value) }

    /// As it stands in a command line.
    public init(argument: String) {
        self =
            switch argument {
            case "true": .boolean(true)
            case "false": .boolean(false)
            default:
                // Of a whole number written with decimals the zeros behind the point say nothing.
                Value(wholeNumber: argument.replacing(/\.0+$/, with: "")).map { AskedValue(whole: $0) }
                    ?? Double(argument).flatMap { $0.isFinite ? .number($0) : nil } ?? .text(argument)
            }
    }

    /// As JSON.
    public var json: String {
        var out = ByteWriter()
        switch self {
        case .number(let number): out.json(Int64(exactly: number).map(Value.integer) ?? .number(number), of: Batch())
        case .whole(let value): out.json(value, of: Batch())
        case .boolean(let boolean): out.json(.boolean(boolean), of: Batch())
        case .text(let text): out.jsonString(text)
        }
        return String(decoding: out.bytes, as: UTF8.self)
    }
}

/// Why a value is not written. The names are stable.
public struct WriteRefusal: Error, Equatable, CustomStringConvertible {
    public let reason: String
    public let description: String

    public init(_ reason: String, _ description: String) {
        self.reason = reason
        self.description = description
    }
}

/// What a value is in a device's registers.
public struct EncodedValue: Sendable, Equatable {
    public var words: [UInt16]
    /// The bits that are the point's; all of them, unless it is a field of a register.
    public var mask: [UInt16]
    /// What the registers hold where none of their bits has a value: then the other bits are unknown.
    public var absent: [[UInt16]] = []

    /// What is there with the point's bits in it.
    public func merged(into present: some Sequence<UInt16>) -> [UInt16] {
        zip(present, zip(words, mask)).map { present, own in present & ~own.1 | own.0 & own.1 }
    }

    public var isWhole: Bool { mask.allSatisfy { $0 == .max } }
}

extension Point {
    /// What to write so that the point has this value.
    /// - Throws: where the point is not writable, or not with this value, to the last digit.
    public func encode(_ value: AskedValue) throws(WriteRefusal) -> EncodedValue {
        guard let writable, case .register(let source) = self.source else {
            throw WriteRefusal("not_writable", "the point \(name) is not `writable` in the map")
        }
        if source.table.holdsBits { return EncodedValue(words: [try boolean(value) ? 1 : 0], mask: [.max]) }
        let layout = source.layout
        let pattern: UInt64
        if layout.bits?.count == 1 {
            pattern = try boolean(value) ? 1 : 0
        } else if !conversion.labels.isEmpty {
            pattern = try self.pattern(of: Double(try label(value)), layout)
        } else if case .whole(let whole) = value {
            pattern = try self.pattern(ofWhole: whole, layout, in: writable.range)
        } else {
            pattern = try self.pattern(of: raw(of: try number(value, in: writable.range), layout), layout)
        }
        guard !source.absent.contains(pattern) else {
            throw WriteRefusal("out_of_range", "this raw value means that \(name) has no value")
        }
        guard let bits = layout.bits else {
            let words = layout.registers(of: pattern)
            return EncodedValue(words: words, mask: words.map { _ in .max })
        }
        let mask: UInt64 = bits.count >= 64 ? .max : (1 << UInt64(bits.count)) - 1
        var encoded = EncodedValue(
            words: layout.registers(of: pattern << UInt64(bits.lowerBound)),
            mask: layout.registers(of: mask << UInt64(bits.lowerBound)))
        encoded.absent = layout.absentRegister.map { layout.registers(of: $0) }
        return encoded
    }

    private func boolean(_ value: AskedValue) throws(WriteRefusal) -> Bool {
        switch value {
        case .boolean(let boolean): return boolean
        case .number(0): return false
        case .number(1): return true
        default:
            if !conversion.labels.isEmpty { return try label(value) != 0 }
            throw WriteRefusal("wrong_type", "\(name) is a boolean: write true or false")
        }
    }

    private func label(_ value: AskedValue) throws(WriteRefusal) -> Int64 {
        switch value {
        case .text(let text): if let known = conversion.labels.first(where: { $0.value == text }) { return known.key }
        case .number(let number):
            let raw = Int64(exactly: number)
            if let other = conversion.labels.first(where: { $0.value == number.plain }), other.key != raw {
                throw WriteRefusal(
                    "ambiguous",
                    "\(number.plain) is a label of \(name) and means another number: write it as a text")
            }
            if let raw, conversion.labels[raw] != nil { return raw }
        case .boolean(let boolean): if conversion.labels[boolean ? 1 : 0] != nil { return boolean ? 1 : 0 }
        case .whole: break
        }
        let labels = conversion.labels.sorted { $0.key < $1.key }.map(\.value).joined(separator: ", ")
        throw WriteRefusal("unknown_label", "\(name) must be one of \(labels)")
    }

    /// Of a number that a double would round, to the last digit.
    private func pattern(
        ofWhole value: Value, _ layout: RegisterLayout, in range: ClosedRange<Double>?
    ) throws(WriteRefusal) -> UInt64 {
        if let range, value.lies(in: range) != true { throw outOfRange(range) }
        guard layout.bits == nil, !conversion.scales, let pattern = layout.pattern(ofWhole: value) else {
            throw WriteRefusal("not_representable", "\(name) cannot represent this number exactly")
        }
        return pattern
    }

    private func number(_ value: AskedValue, in range: ClosedRange<Double>?) throws(WriteRefusal) -> Double {
        guard case .number(let number) = value, number.isFinite else {
            throw WriteRefusal("wrong_type", "\(name) must be a number")
        }
        if let range, !range.contains(number) { throw outOfRange(range) }
        return number
    }

    private func outOfRange(_ range: ClosedRange<Double>) -> WriteRefusal {
        WriteRefusal(
            "out_of_range",
            "\(name) must be \(range.lowerBound.plain) to \(range.upperBound.plain)" + (unit.isEmpty ? "" : " \(unit)"))
    }

    /// A whole number where the registers hold one: nobody's value is rounded without being asked.
    private func raw(of number: Double, _ layout: RegisterLayout) throws(WriteRefusal) -> Double {
        let raw = conversion.raw(of: number)
        guard layout.type.isInteger else { return raw }
        let whole = raw.rounded()
        // What a double cannot say better.
        guard abs(raw - whole) <= min(0.01, max(1, abs(raw)) * 1e-9) else {
            let near = [raw.rounded(.down), raw.rounded(.up)].map { conversion.scaled($0).plain }
            throw WriteRefusal("not_representable", "\(name) can be \(near[0]) or \(near[1]), not \(number.plain)")
        }
        return whole
    }

    private func pattern(of raw: Double, _ layout: RegisterLayout) throws(WriteRefusal) -> UInt64 {
        let refusal = WriteRefusal(
            "out_of_range", "the type \(layout.type.rawValue) of \(name) cannot represent this value")
        if let bits = layout.bits {
            guard raw >= 0, bits.count >= 64 || raw < Double(1 << UInt64(min(bits.count, 62))) else { throw refusal }
            return UInt64(clamping: Int64(saturating: raw))
        }
        // The largest numbers of 64 bits are none that a double can be: it would be taken for the one above.
        let end = layout.type == .int64 ? 0x1p63 : layout.type == .uint64 ? 0x1p64 : .infinity
        guard raw < end, let pattern = layout.pattern(of: raw), let back = layout.number(of: pattern) else {
            throw refusal
        }
        // A float is as near as it can be; an integer is what it is, or does not fit.
        guard back == raw || !layout.type.isInteger && abs(back - raw) <= abs(raw) * 1e-6 else { throw refusal }
        return pattern
    }

    /// Whether what was read back is what was written. A device may keep a float less finely than it was sent.
    public func holds(_ encoded: EncodedValue, _ found: [UInt16]) -> Bool {
        guard found.count == encoded.words.count else { return false }
        if encoded.merged(into: found) == found { return true }
        guard let layout = source.layout, !layout.type.isInteger, layout.type != .bool else { return false }
        guard let wanted = layout.number(in: encoded.words), let number = layout.number(in: found) else { return false }
        return abs(wanted - number) <= abs(wanted) * 1e-5
    }
}

extension RegisterLayout {
    fileprivate func number(in words: [UInt16]) -> Double? {
        var batch = Batch()
        return words.withUnsafeBufferPointer { decode($0, absent: [], into: &batch) }.value.asNumber
    }
}
