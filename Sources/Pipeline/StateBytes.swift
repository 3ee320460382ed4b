// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// Parts of what windows and rules remember over a stop, as bytes.

extension ByteWriter {
    mutating func write(_ number: Double?) {
        byte(number == nil ? 0 : 1)
        if let number { fixed(number.bitPattern) }
    }

    mutating func write(_ time: Timestamp?) {
        byte(time == nil ? 0 : 1)
        if let time { zigzag(time.microseconds) }
    }

    /// A text is none: it lies in its batch.
    mutating func write(_ value: Value) {
        switch value {
        case .none, .text: byte(0)
        case .number(let number):
            byte(1)
            fixed(number.bitPattern)
        case .single(let number):
            byte(2)
            varint(UInt64(number.bitPattern))
        case .integer(let number):
            byte(3)
            zigzag(number)
        case .boolean(let isTrue): byte(isTrue ? 5 : 4)
        case .unsigned(let number):
            byte(6)
            varint(number)
        }
    }

    mutating func write(_ reading: Reading) {
        zigzag(Int64(reading.series.raw))
        zigzag(reading.time.microseconds)
        byte(reading.quality.rawValue)
        byte(reading.reason.rawValue)
        write(reading.value)
    }
}

extension ByteReader {
    mutating func number() throws(MalformedBytes) -> Double? {
        try byte() == 0 ? nil : Double(bitPattern: try fixed())
    }

    mutating func time() throws(MalformedBytes) -> Timestamp? {
        try byte() == 0 ? nil : Timestamp(microseconds: try zigzag())
    }

    mutating func value() throws(MalformedBytes) -> Value {
        switch try byte() {
        case 0: .none
        case 1: .number(Double(bitPattern: try fixed()))
        case 2: .single(Float(bitPattern: UInt32(clamping: try varint())))
        case 3: .integer(try zigzag())
        case 4: .boolean(false)
        case 5: .boolean(true)
        case 6: .unsigned(try varint())
        default: throw MalformedBytes(expected: "a value")
        }
    }

    mutating func reading() throws(MalformedBytes) -> Reading {
        let series = SeriesNumber(raw: Int32(truncatingIfNeeded: try zigzag()))
        let time = Timestamp(microseconds: try zigzag())
        guard let quality = Quality(rawValue: try byte()), let reason = Reason(rawValue: try byte()) else {
            throw MalformedBytes(expected: "a quality")
        }
        return Reading(series: series, time: time, value: try value(), quality: quality, reason: reason)
    }
}
