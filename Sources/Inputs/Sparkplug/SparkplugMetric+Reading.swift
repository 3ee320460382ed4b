// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Sparkplug

extension SparkplugMetric {
    /// What the metric says, as a value of the type that its birth gave it.
    func value(as type: SparkplugType, into batch: inout Batch) -> (value: Value, quality: Quality, reason: Reason) {
        if isNull { return (.none, .absent, .none) }
        guard let value = plain(as: type, into: &batch) else { return (.none, .bad, .wrongType) }
        if let number = value.asNumber, !number.isFinite { return (.none, .bad, .notANumber) }
        if case .text(let place) = value, batch.text(at: place).utf8.count > MessageLayout.longestText {
            return (.none, .bad, .tooLong)
        }
        guard let quality, quality != 192 else { return (value, .good, .none) }
        // 0 is bad, 500 stale; others, which some send, are those of OPC: below 64 bad, from 192 on good.
        if (193...255).contains(quality) { return (value, .good, .none) }
        return quality < 64 ? (.none, .bad, .deviceQuality) : (value, .uncertain, .deviceQuality)
    }

    /// How each type lies in a message: Sparkplug 3.0.0, 6.4.16.
    private func plain(as type: SparkplugType, into batch: inout Batch) -> Value? {
        switch (type, raw) {
        case (.int8, _): signed(bits: 8)
        case (.int16, _): signed(bits: 16)
        case (.int32, _): signed(bits: 32)
        case (.int64, _): signed(bits: 64)
        case (.uint8, _): unsigned(UInt64(UInt8.max))
        case (.uint16, _): unsigned(UInt64(UInt16.max))
        case (.uint32, _): unsigned(UInt64(UInt32.max))
        case (.uint64, _): unsigned(.max)
        case (.float, .float(let number)): .single(number)
        case (.float, .double(let number)), (.double, .double(let number)): .number(number)
        case (.double, .float(let number)): .single(number)
        case (.boolean, .boolean(let value)): .boolean(value)
        case (.string, .string(let text)), (.text, .string(let text)), (.uuid, .string(let text)): batch.text(text)
        case (.dateTime, _): time.map { batch.text($0.iso8601) }
        default: nil
        }
    }

    /// Small ones come in 32 bits, in their own width or, as some send them, extended to all of it.
    private func signed(bits: Int) -> Value? {
        let number: Int64? =
            switch raw {
            case .int(let pattern): Int64(Int32(bitPattern: pattern))
            case .long(let pattern): Int64(bitPattern: pattern)
            default: nil
            }
        guard let number else { return nil }
        let half = Int64(1) << (bits - 1)
        if bits == 64 || (-half..<half).contains(number) { return .integer(number) }
        return bits < 32 && (half..<(2 * half)).contains(number) ? .integer(number - 2 * half) : nil
    }

    private func unsigned(_ most: UInt64) -> Value? {
        guard let number = whole, number <= most else { return nil }
        return Value(number)
    }

    private var time: Timestamp? { whole.flatMap(Timestamp.init(sparkplug:)) }

    private var whole: UInt64? {
        switch raw {
        case .int(let number): UInt64(number)
        case .long(let number): number
        default: nil
        }
    }
}

extension Timestamp {
    /// - Parameter milliseconds: since 1970; nil beyond the year 9999, which no text of a time can tell.
    init?(sparkplug milliseconds: UInt64) {
        guard milliseconds < 253_402_300_800_000 else { return nil }
        self.init(microseconds: Int64(milliseconds) * 1_000)
    }
}
