// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Synchronization

/// The last reading of each series and the state of each device, for those who look at the gateway itself.
final class LatestReadings: Sendable {
    struct Snapshot {
        fileprivate(set) var readings: [Reading?] = []
        fileprivate(set) var texts: [SeriesNumber: String] = [:]
        fileprivate(set) var states: [DeviceNumber: StatusChange.State] = [:]

        func reading(_ series: SeriesNumber) -> (reading: Reading, text: String?)? {
            guard readings.indices.contains(series.index), let reading = readings[series.index] else { return nil }
            return (reading, texts[series])
        }
    }

    /// How long a series takes to come again, on average. A burst counts as one.
    struct Interval: BitwiseCopyable {
        private static let shortest: Int64 = 1_000_000
        private static let fewest: UInt16 = 3
        private var mean: Float = 0
        private var count: UInt16 = 0

        /// Seconds; nil while too few intervals are known.
        var usual: Float? { count >= Self.fewest ? mean : nil }

        /// - Parameter microseconds: since the reading before.
        mutating func note(_ microseconds: Int64) {
            guard microseconds >= Self.shortest else { return }
            let seconds = Float(microseconds) / 1_000_000
            count = min(count, .max - 1) + 1
            mean += (seconds - mean) / Float(min(count, 8))
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
            Self.note(batch, &state.snapshot.readings, &state.snapshot.texts, &state.intervals, now)
            for event in batch.events {
                if case .status(let status) = event.detail { state.snapshot.states[event.device] = status.state }
            }
        }
    }

    private static func note(
        _ batch: Batch, _ readings: inout [Reading?], _ texts: inout [SeriesNumber: String],
        _ intervals: inout [Interval], _ now: Timestamp
    ) {
        let last = batch.readings.lazy.map(\.series.index).max() ?? 0
        let missing = last - readings.count + 1
        if missing > 0 {
            readings.append(contentsOf: repeatElement(nil, count: missing))
            intervals.append(contentsOf: repeatElement(Interval(), count: missing))
        }
        var known = readings.mutableSpan
        var usual = intervals.mutableSpan
        for reading in batch.readings where !isPast(reading, known[reading.series.index], now) {
            if let before = known[reading.series.index], reading.quality == .good {
                usual[reading.series.index].note(reading.time.microseconds(since: before.time))
            }
            known[reading.series.index] = reading
            if case .text(let index) = reading.value { texts[reading.series] = batch.text(at: index) }
        }
    }

    /// Whether it is told now of what was before what is known: by a device that had kept it. That its time is before is
    /// not enough, as the system's clock may have been set back.
    private static func isPast(_ reading: Reading, _ known: Reading?, _ now: Timestamp) -> Bool {
        guard let known, known.quality != .bad, reading.time < known.time else { return false }
        return now.microseconds(since: reading.time) > 10_000_000
    }
}
