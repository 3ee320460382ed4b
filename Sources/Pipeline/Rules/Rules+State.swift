// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

// What rules know and how far they are, as bytes: written down now and then, and read back after a stop. Alarms that are
// under way are none of it: they lie with what was told of them.

extension Rules {
    /// Of the form below; another one gets another number.
    private static let form: UInt8 = 2
    /// Of notes.
    private static let noteForm: UInt8 = 3

    /// - Parameter isFinal: whether nothing is read any more. Else what was polled last may be another value by the time that
    ///   this is needed, and does not count.
    public func state(isFinal: Bool) -> [UInt8] {
        var out = ByteWriter()
        out.byte(Self.form)
        out.byte(isFinal ? 1 : 0)
        let memories = looks.memories
        out.varint(UInt64(memories.count))
        for (place, memory) in memories { out.write(place, memory) }
        var meanings: [String: UInt64] = [:]
        for watch in watches where meanings[watch.shared.meaning] == nil {
            meanings[watch.shared.meaning] = UInt64(meanings.count)
        }
        out.varint(UInt64(meanings.count))
        for (meaning, _) in meanings.sorted(by: { $0.value < $1.value }) { out.string(meaning) }
        out.varint(UInt64(watches.count))
        for watch in watches {
            out.string(Self.key(watch.shared.rule.name, watch.deviceID))
            out.varint(meanings[watch.shared.meaning] ?? 0)
            let series = watch.inputs.compactMap { looks.series(looks.look(ofInput: $0)) }
            out.varint(UInt64(series.count))
            for one in series { out.zigzag(Int64(one.raw)) }
            var progress = watch.progress
            // Its alarm may be over by the time of a crash, and what holds then begins anew.
            if watch.active != nil { progress.heldSince = nil }
            out.write(progress)
            out.write(watch.active)
        }
        return out.bytes
    }

    /// Goes back to what was written down, as far as the rules that are added from here on are the same. What is of later
    /// than now is of another clock, and says nothing.
    public mutating func restore(_ state: [UInt8], at now: Timestamp) throws(MalformedBytes) {
        var reader = ByteReader(state)
        guard try reader.byte() == Self.form else { throw MalformedBytes(expected: "rules of form \(Self.form)") }
        let isFinal = try reader.byte() != 0
        var memories: [Looks.Place: Looks.Memory] = [:]
        for _ in 0..<(try reader.count()) {
            var (place, memory) = try reader.memory()
            // What is not polled is noted as it comes, and taken again.
            if !isFinal, memory.habit == nil { memory.forgetLast() }
            if memory.last.reading.time <= now { memories[place] = memory }
        }
        var meanings: [String] = []
        for _ in 0..<(try reader.count()) { meanings.append(try reader.string()) }
        var watches: [String: RememberedWatch] = [:]
        for _ in 0..<(try reader.count()) {
            let key = try reader.string()
            let meaning = Int(clamping: try reader.varint())
            guard meanings.indices.contains(meaning) else { throw MalformedBytes(expected: "a meaning") }
            var series: [SeriesNumber] = []
            for _ in 0..<(try reader.count()) { series.append(try reader.series()) }
            let (progress, active) = (try reader.progress(), try reader.active())
            guard progress.lookedAt <= now else { continue }
            watches[key] = RememberedWatch(
                meaning: meanings[meaning], series: series, progress: progress, active: active)
        }
        guard reader.isAtEnd else { throw MalformedBytes(expected: "the end") }
        remember(memories, watches)
    }
}

/// How far a watch was.
struct RememberedWatch {
    var meaning: String
    var series: [SeriesNumber]
    var progress: Watch.Progress
    /// The alarm that was active.
    var active: Watch.Active?

    /// Whether a watch is for the same.
    func isOf(_ watch: Watch, _ series: [SeriesNumber]) -> Bool {
        watch.shared.meaning == meaning && series == self.series
    }
}

// MARK: Notes

extension Rules {
    /// Readings that came at a moment, event by event, as bytes.
    static func note(_ events: [[Cause]], at now: Timestamp) -> [UInt8] {
        var out = ByteWriter()
        out.byte(noteForm)
        out.zigzag(now.microseconds)
        out.varint(UInt64(events.count))
        for readings in events {
            out.varint(UInt64(readings.count))
            for one in readings { out.write(one) }
        }
        return out.bytes
    }

    /// The events, whose time is when they came.
    static func read(_ note: [UInt8]) throws(MalformedBytes) -> Batch {
        var reader = ByteReader(note)
        guard try reader.byte() == noteForm else { throw MalformedBytes(expected: "readings of form \(noteForm)") }
        let came = Timestamp(microseconds: try reader.zigzag())
        var batch = Batch()
        for _ in 0..<(try reader.count()) {
            for _ in 0..<(try reader.count()) {
                let cause = try reader.cause()
                var reading = cause.reading
                if let text = cause.text { reading.value = batch.text(text) }
                batch.readings.append(reading)
            }
            batch.closeTelemetry(device: .gateway, time: came)
        }
        return batch
    }
}

// MARK: Looks

extension ByteWriter {
    fileprivate mutating func write(_ place: Looks.Place, _ memory: Looks.Memory) {
        zigzag(Int64(place.series.raw))
        switch place.kind {
        case .value: byte(0)
        case .equals(let text):
            byte(1)
            string(text)
        case .rate(let over):
            byte(2)
            zigzag(over)
        case .change(let detector, let learn, let per):
            byte(3)
            string(detector.rawValue)
            varint(UInt64(learn))
            varint(UInt64(per))
        case .quality(let quality):
            byte(4)
            byte(quality.rawValue)
        case .reason(let reason):
            byte(5)
            byte(reason.rawValue)
        }
        write(memory.last)
        fixed(memory.number.bitPattern)
        zigzag(memory.time.microseconds)
        let kept = memory.rate?.kept ?? []
        varint(UInt64(kept.count))
        for (time, value) in kept {
            zigzag(time.microseconds)
            fixed(value.bitPattern)
        }
        let sums = memory.sums ?? ChangeDetector.Sums()
        for sum in [sums.up, sums.down, sums.moving] { fixed(sum.bitPattern) }
        let intervals = memory.habit?.kept ?? []
        byte(memory.habit == nil ? 0 : UInt8(clamping: intervals.count + 1))
        for interval in intervals { varint(UInt64(interval.bitPattern)) }
    }

    fileprivate mutating func write(_ cause: Cause) {
        write(cause.reading)
        byte(cause.text == nil ? 0 : 1)
        if let text = cause.text { string(text) }
    }
}

extension ByteReader {
    fileprivate mutating func series() throws(MalformedBytes) -> SeriesNumber {
        SeriesNumber(raw: Int32(truncatingIfNeeded: try zigzag()))
    }

    fileprivate mutating func moment() throws(MalformedBytes) -> Timestamp { Timestamp(microseconds: try zigzag()) }

    fileprivate mutating func double() throws(MalformedBytes) -> Double { Double(bitPattern: try fixed()) }

    fileprivate mutating func memory() throws(MalformedBytes) -> (Looks.Place, Looks.Memory) {
        let series = try series()
        let kind = try look()
        var memory = Looks.Memory(last: try cause(), number: try double(), time: try moment())
        var kept: [(Timestamp, Double)] = []
        for _ in 0..<(try count()) { kept.append((try moment(), try double())) }
        if case .rate(let over) = kind {
            memory.rate = RateOfChange(over: over)
            memory.rate?.kept = kept
        }
        memory.sums = ChangeDetector.Sums(up: try double(), down: try double(), moving: try double())
        let habit = Int(try byte())
        if habit > 0 {
            var intervals: [Float] = []
            for _ in 1..<habit { intervals.append(Float(bitPattern: UInt32(truncatingIfNeeded: try varint()))) }
            memory.habit = ReadingHabit(intervals)
        }
        return (Looks.Place(series: series, kind: kind), memory)
    }

    private mutating func look() throws(MalformedBytes) -> Program.Input.Look {
        switch try byte() {
        case 0: return .value
        case 1: return .equals(try string())
        case 2: return .rate(over: try zigzag())
        case 3:
            guard let detector = Program.Input.Detector(rawValue: try string()) else { break }
            return .change(detector, learn: Int(clamping: try varint()), per: Int(clamping: try varint()))
        case 4: if let quality = Quality(rawValue: try byte()) { return .quality(quality) }
        case 5: if let reason = Reason(rawValue: try byte()) { return .reason(reason) }
        default: break
        }
        throw MalformedBytes(expected: "what is looked at")
    }

    fileprivate mutating func cause() throws(MalformedBytes) -> Cause {
        let reading = try reading()
        return Cause(reading: reading, text: try byte() == 0 ? nil : try string())
    }
}

// MARK: Watches

extension ByteWriter {
    fileprivate mutating func write(_ progress: Watch.Progress) {
        zigzag(progress.lookedAt.microseconds)
        zigzag(progress.newestRead.microseconds)
        zigzag(progress.lag)
        write(progress.heldSince)
        write(progress.lastHeld)
        write(progress.quietUntil)
        byte(progress.suppressed == nil ? 0 : 1)
        if let causes = progress.suppressed { write(causes) }
        varint(UInt64(progress.chain.links.count))
        for (link, isKnown) in zip(progress.chain.links, progress.chain.known) {
            byte((isKnown ? 1 : 0) | (link == nil ? 0 : 2))
            guard let link else { continue }
            zigzag(link.first.microseconds)
            write(link.causes)
        }
    }

    fileprivate mutating func write(_ active: Watch.Active?) {
        byte(active == nil ? 0 : active?.isConfirmed == true ? 2 : 1)
        guard let active else { return }
        string(active.id)
        zigzag(active.since.microseconds)
        zigzag(active.lastTold.microseconds)
    }

    private mutating func write(_ causes: [Cause]) {
        varint(UInt64(causes.count))
        for cause in causes { write(cause) }
    }
}

extension ByteReader {
    fileprivate mutating func progress() throws(MalformedBytes) -> Watch.Progress {
        var progress = Watch.Progress(
            lookedAt: try moment(), newestRead: try moment(), lag: try zigzag(), heldSince: try time(),
            lastHeld: try time(), quietUntil: try time())
        if try byte() != 0 { progress.suppressed = try causes() }
        for _ in 0..<(try count()) {
            let flags = try byte()
            progress.chain.known.append(flags & 1 != 0)
            guard flags & 2 != 0 else {
                progress.chain.links.append(nil)
                continue
            }
            progress.chain.links.append(SequenceChain.Link(first: try moment(), causes: try causes()))
        }
        return progress
    }

    fileprivate mutating func active() throws(MalformedBytes) -> Watch.Active? {
        let isConfirmed: Bool
        switch try byte() {
        case 0: return nil
        case 1: isConfirmed = false
        case 2: isConfirmed = true
        default: throw MalformedBytes(expected: "an alarm")
        }
        return Watch.Active(id: try string(), since: try moment(), isConfirmed: isConfirmed, lastTold: try moment())
    }

    private mutating func causes() throws(MalformedBytes) -> [Cause] {
        var causes: [Cause] = []
        for _ in 0..<(try count()) { causes.append(try cause()) }
        return causes
    }
}
