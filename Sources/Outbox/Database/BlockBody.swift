// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// The events of one commit as bytes, column by column.
///
/// Neighbours in a column are alike (the same series follow one another, times move in steps, values hardly at all),
/// so each is stored as its difference to the one before it in its series; zstd then finds little left. A format that
/// is on disk is never changed: a new one gets a new codec number.
enum BlockBody {
    /// What a block's `codec` says of its body, zstd around it included.
    enum Format: Int64 {
        /// Events without their origins.
        case old = 1
        case oldWithSequences = 2
        case plain = 3
        /// With the events' sequence numbers before it, for blocks that have lost some.
        case withSequences = 4

        var hasSequences: Bool { self == .oldWithSequences || self == .withSequences }
        fileprivate var hasOrigins: Bool { self == .plain || self == .withSequences }
    }

    // MARK: To bytes

    static func encode(_ batch: Batch) -> [UInt8] {
        var out = ByteWriter()
        out.reserve(64 + batch.events.count * 8 + batch.readings.count * 12)
        out.varint(UInt64(batch.events.count))
        out.varint(UInt64(batch.readings.count))
        writeEvents(batch, to: &out)
        writeReadings(batch.readings, to: &out)
        out.varint(UInt64(batch.texts.count))
        for text in batch.texts { out.string(text) }
        return out.bytes
    }

    private static func writeEvents(_ batch: Batch, to out: inout ByteWriter) {
        for event in batch.events { out.byte(event.kind.rawValue) }
        var device: Int64 = 0
        for event in batch.events {
            out.zigzag(Int64(event.device.raw) &- device)
            device = Int64(event.device.raw)
        }
        var time: Int64 = 0
        for event in batch.events {
            out.zigzag(event.time.microseconds &- time)
            time = event.time.microseconds
        }
        for event in batch.events { out.varint(UInt64(event.readings.count)) }
        for event in batch.events { write(event.detail, to: &out) }
        writeOrigins(batch.events, to: &out)
    }

    private static func writeReadings(_ readings: [Reading], to out: inout ByteWriter) {
        var series: Int64 = 0
        for reading in readings {
            out.zigzag(Int64(reading.series.raw) &- series)
            series = Int64(reading.series.raw)
        }
        for reading in readings { out.byte(reading.quality.rawValue) }
        for reading in readings { out.byte(reading.reason.rawValue) }
        var time: Int64 = 0
        for reading in readings {
            out.zigzag(reading.time.microseconds &- time)
            time = reading.time.microseconds
        }
        for reading in readings { out.byte(ValueTag(reading.value).rawValue) }
        var last = LastBits(of: readings)
        for reading in readings {
            guard let bits = ValueTag.bits(of: reading.value) else { continue }
            last.writeDifference(bits, ValueTag(reading.value), reading.series, to: &out)
        }
    }

    // MARK: From bytes

    static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> Batch {
        var reader = ByteReader(bytes)
        return try decode(&reader, .plain)
    }

    static func decode(_ reader: inout ByteReader, _ format: Format) throws(MalformedBytes) -> Batch {
        let events = try reader.count()
        let readings = try reader.count()
        var batch = Batch()
        var heads = try readEvents(events, &reader)
        if format.hasOrigins { try readOrigins(&heads, &reader) }
        let all = try readReadings(readings, &reader)
        for _ in 0..<(try reader.count()) { batch.append(text: try reader.string()) }
        guard reader.isAtEnd else { throw MalformedBytes(expected: "the end") }
        var next = 0
        for head in heads {
            guard head.readings <= all.count - next else { throw MalformedBytes(expected: "as many readings") }
            batch.readings.append(contentsOf: all[next..<(next + head.readings)])
            next += head.readings
            batch.close(head.detail, device: head.device, time: head.time, origin: head.origin)
        }
        guard next == all.count else { throw MalformedBytes(expected: "no more readings than events have") }
        return batch
    }

    /// An event as it is read column by column.
    struct Head {
        var detail = EventDetail.telemetry
        var device: DeviceNumber
        var time = Timestamp(microseconds: 0)
        var readings = 0
        var origin = Origin()
    }

    private static func readEvents(_ count: Int, _ reader: inout ByteReader) throws(MalformedBytes) -> [Head] {
        var kinds: [EventKind] = []
        for _ in 0..<count {
            guard let kind = EventKind(rawValue: try reader.byte()) else {
                throw MalformedBytes(expected: "a kind of event")
            }
            kinds.append(kind)
        }
        var heads: [Head] = []
        var device: Int64 = 0
        for _ in 0..<count {
            device = device &+ (try reader.zigzag())
            heads.append(Head(device: DeviceNumber(raw: Int32(truncatingIfNeeded: device))))
        }
        var time: Int64 = 0
        for index in 0..<count {
            time = time &+ (try reader.zigzag())
            heads[index].time = Timestamp(microseconds: time)
        }
        for index in 0..<count { heads[index].readings = Int(clamping: try reader.varint()) }
        for index in 0..<count { heads[index].detail = try readDetail(kinds[index], &reader) }
        return heads
    }

    private static func readReadings(
        _ count: Int, _ reader: inout ByteReader
    ) throws(MalformedBytes) -> [Reading] {
        var readings: [Reading] = []
        // Each takes five bytes at least.
        readings.reserveCapacity(min(count, reader.remaining / 5))
        var series: Int64 = 0
        for _ in 0..<count {
            series = series &+ (try reader.zigzag())
            readings.append(
                Reading(
                    series: SeriesNumber(raw: Int32(truncatingIfNeeded: series)), time: Timestamp(microseconds: 0),
                    value: .none))
        }
        for index in 0..<count {
            guard let quality = Quality(rawValue: try reader.byte()) else {
                throw MalformedBytes(expected: "a quality")
            }
            readings[index].quality = quality
        }
        for index in 0..<count {
            guard let reason = Reason(rawValue: try reader.byte()) else { throw MalformedBytes(expected: "a reason") }
            readings[index].reason = reason
        }
        var time: Int64 = 0
        for index in 0..<count {
            time = time &+ (try reader.zigzag())
            readings[index].time = Timestamp(microseconds: time)
        }
        var tags: [ValueTag] = []
        tags.reserveCapacity(readings.count)
        for _ in 0..<count {
            guard let tag = ValueTag(rawValue: try reader.byte()) else { throw MalformedBytes(expected: "a value") }
            tags.append(tag)
        }
        var last = LastBits(of: readings)
        for index in 0..<count where tags[index] != .none {
            let bits = try last.readDifference(tags[index], readings[index].series, from: &reader)
            readings[index].value = tags[index].value(bits)
        }
        return readings
    }
}

/// What kind of value follows, and its bits.
private enum ValueTag: UInt8 {
    case none = 0
    case number = 1
    case single = 2
    case integer = 3
    case boolean = 4
    case text = 5
    case unsigned = 6

    init(_ value: Value) {
        switch value {
        case .none: self = .none
        case .number: self = .number
        case .single: self = .single
        case .integer: self = .integer
        case .boolean: self = .boolean
        case .text: self = .text
        case .unsigned: self = .unsigned
        }
    }

    static func bits(of value: Value) -> UInt64? {
        switch value {
        case .none: nil
        case .number(let number): number.bitPattern
        case .single(let number): UInt64(number.bitPattern)
        case .integer(let integer): UInt64(bitPattern: integer)
        case .boolean(let boolean): boolean ? 1 : 0
        case .text(let index): UInt64(UInt32(bitPattern: index))
        case .unsigned(let number): number
        }
    }

    func value(_ bits: UInt64) -> Value {
        switch self {
        case .none: .none
        case .number: .number(Double(bitPattern: bits))
        case .single: .single(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case .integer: .integer(Int64(bitPattern: bits))
        case .boolean: .boolean(bits != 0)
        case .text: .text(Int32(truncatingIfNeeded: bits))
        case .unsigned: .unsigned(bits)
        }
    }
}

/// The bits each series had last, against which the next are told.
///
/// A float that moves a little, or has few decimals, differs in its upper bits; with the bytes turned round those come
/// first, and the rest are zeros that a varint leaves out.
private struct LastBits {
    /// Of the series from `first` on, where those of the block lie close together.
    private var dense: [UInt64] = []
    private var first = 0
    private var sparse: [Int32: UInt64] = [:]

    init(of readings: [Reading]) {
        let all = readings.lazy.map(\.series.index)
        guard let first = all.min(), let last = all.max(), first >= 0, last - first < 4 * readings.count else { return }
        self.first = first
        dense = [UInt64](repeating: 0, count: last - first + 1)
    }

    private subscript(series: SeriesNumber) -> UInt64 {
        get {
            let place = series.index - first
            return dense.indices.contains(place) ? dense[place] : sparse[series.raw] ?? 0
        }
        set {
            let place = series.index - first
            if dense.indices.contains(place) { dense[place] = newValue } else { sparse[series.raw] = newValue }
        }
    }

    mutating func writeDifference(_ new: UInt64, _ tag: ValueTag, _ series: SeriesNumber, to out: inout ByteWriter) {
        let old = self[series]
        self[series] = new
        switch tag {
        case .number: out.varint((new ^ old).byteSwapped)
        // What the series had before may have been a wider number.
        case .single: out.varint(UInt64(UInt32(truncatingIfNeeded: new ^ old).byteSwapped))
        case .integer, .text, .unsigned: out.zigzag(Int64(bitPattern: new &- old))
        case .none, .boolean: out.varint(new)
        }
    }

    mutating func readDifference(
        _ tag: ValueTag, _ series: SeriesNumber, from reader: inout ByteReader
    ) throws(MalformedBytes) -> UInt64 {
        let old = self[series]
        let new: UInt64
        switch tag {
        case .number: new = (try reader.varint()).byteSwapped ^ old
        case .single:
            let difference = UInt32(truncatingIfNeeded: try reader.varint()).byteSwapped
            new = UInt64(difference ^ UInt32(truncatingIfNeeded: old))
        case .integer, .text, .unsigned: new = old &+ UInt64(bitPattern: try reader.zigzag())
        case .none, .boolean: new = try reader.varint()
        }
        self[series] = new
        return new
    }
}

// MARK: Sequences

extension BlockBody {
    static func write(_ sequences: [UInt64], from first: UInt64, to out: inout ByteWriter) {
        out.varint(UInt64(sequences.count))
        var before = first
        for sequence in sequences {
            out.varint(sequence &- before)
            before = sequence
        }
    }

    static func readSequences(
        from first: UInt64, _ reader: inout ByteReader
    ) throws(MalformedBytes) -> [UInt64] {
        var before = first
        var sequences: [UInt64] = []
        for _ in 0..<(try reader.count()) {
            before &+= try reader.varint()
            sequences.append(before)
        }
        return sequences
    }
}
