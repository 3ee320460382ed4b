// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Synchronization

/// The last reading of each series and the state of each device, for those who look at the gateway itself.
final class LatestReadings: Sendable {
    struct Snapshot {
        fileprivate(set) var readings: [Reading?] = []
        fileprivate(set) var texts = LatestTexts()
        fileprivate(set) var states: [DeviceNumber: StatusChange.State] = [:]
        /// By series, whether its device has said anything of it since the start.
        fileprivate(set) var haveBeenRead: [Bool] = []

        func hasBeenRead(_ series: SeriesNumber) -> Bool {
            haveBeenRead.indices.contains(series.index) && haveBeenRead[series.index]
        }

        func reading(_ series: SeriesNumber) -> (reading: Reading, text: String?)? {
            guard readings.indices.contains(series.index), let reading = readings[series.index] else { return nil }
            return (reading, texts[series])
        }
    }

    /// The shortest of the last intervals between the readings of a series: nothing that was longer once, an outage say, says
    /// that it comes no sooner.
    struct Interval: BitwiseCopyable {
        private static let fewest: UInt8 = 3
        private static let each: UInt8 = 8
        /// Microseconds, of the last eight and of those since.
        private var before = Float.infinity
        private var since = Float.infinity
        private var count: UInt8 = 0

        /// Of the last eight to sixteen, in seconds; nil while fewer than three are known.
        var shortest: Float? {
            count >= Self.fewest || before.isFinite ? min(before, since) / 1_000_000 : nil
        }

        /// - Parameter microseconds: since the reading before.
        mutating func note(_ microseconds: Int64) {
            guard microseconds > 0 else { return }
            if count == Self.each { (before, since, count) = (since, .infinity, 0) }
            since = min(since, Float(microseconds))
            count += 1
        }
    }

    private struct State {
        var snapshot = Snapshot()
        /// By series.
        var intervals: [Interval] = []
    }

    private let state = Mutex(State())

    var snapshot: Snapshot { state.withLock { $0.snapshot } }

    var intervals: [Interval] { state.withLock { $0.intervals } }

    /// The devices that are there; nobody hears whether what is computed is.
    func online(_ contents: Catalog.Contents) -> Set<String> {
        let snapshot = snapshot
        var heard = Set(snapshot.states.keys)
        for (place, series) in contents.series.enumerated() where snapshot.readings.indices.contains(place) {
            if snapshot.readings[place] != nil { heard.insert(series.device) }
        }
        return Set(heard.filter { snapshot.states[$0] != .offline }.compactMap { contents[$0]?.id })
    }

    /// An event with the last reading of each point of a device.
    func batch(of id: String, _ contents: Catalog.Contents) -> Batch {
        let snapshot = snapshot
        var batch = Batch()
        for (place, device) in contents.devices.enumerated() where device.id == id {
            let number = DeviceNumber(raw: Int32(place))
            var time = Timestamp(microseconds: 0)
            for (place, series) in contents.series.enumerated() where series.device == number {
                guard let (last, text) = snapshot.reading(SeriesNumber(raw: Int32(place))) else { continue }
                var reading = last
                if case .text = reading.value { reading.value = batch.text(text ?? "") }
                batch.readings.append(reading)
                time = max(time, reading.time)
            }
            batch.closeTelemetry(device: number, time: time)
        }
        return batch
    }

    func note(_ batch: Batch) {
        let now = Timestamp.now
        state.withLock { state in
            Self.note(
                batch, &state.snapshot.readings, &state.snapshot.texts, &state.snapshot.haveBeenRead, &state.intervals,
                now)
            for event in batch.events {
                if case .status(let status) = event.detail { state.snapshot.states[event.device] = status.state }
            }
        }
    }

    private static func note(
        _ batch: Batch, _ readings: inout [Reading?], _ texts: inout LatestTexts,
        _ haveBeenRead: inout [Bool], _ intervals: inout [Interval], _ now: Timestamp
    ) {
        let last = batch.readings.lazy.map(\.series.index).max() ?? 0
        let missing = last - readings.count + 1
        if missing > 0 {
            readings.append(contentsOf: repeatElement(nil, count: missing))
            haveBeenRead.append(contentsOf: repeatElement(false, count: missing))
            intervals.append(contentsOf: repeatElement(Interval(), count: missing))
        }
        var known = readings.mutableSpan
        var sinceLast = intervals.mutableSpan
        var isRead = haveBeenRead.mutableSpan
        for reading in batch.readings {
            let series = reading.series.index
            if !reading.isOfSilence { isRead[series] = true }
            if isPast(reading, known[series], now) { continue }
            let before = known[series]
            if let before, reading.quality == .good {
                sinceLast[series].note(reading.time.microseconds(since: before.time))
            }
            known[series] = reading
            guard case .text(let index) = reading.value else {
                if case .text? = before?.value { texts.remove(reading.series) }
                continue
            }
            if !texts.keep(batch.text(at: index), of: reading.series) {
                // Shown as a text that is not kept; the event has it.
                known[series]?.spoil(.bad, .tooLong)
            }
        }
    }

    /// Whether it is told now of what was before what is known: by a device that had kept it. That its time is before is
    /// not enough, as the system's clock may have been set back.
    private static func isPast(_ reading: Reading, _ known: Reading?, _ now: Timestamp) -> Bool {
        guard let known, known.quality != .bad, reading.time < known.time else { return false }
        return now.microseconds(since: reading.time) > 10_000_000
    }
}
