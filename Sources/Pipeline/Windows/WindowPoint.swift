// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What has to be known of a point to take its readings together.
public struct WindowPoint: Sendable, Equatable {
    public var series: SeriesNumber
    /// A total that only rises, but for its rollover and its return to zero.
    public var isCounter: Bool
    /// Where a counter begins again, as its registers hold no more; nil where nobody knows.
    public var span: Double?

    public init(series: SeriesNumber, isCounter: Bool = false, span: Double? = nil) {
        self.series = series
        self.isCounter = isCounter
        self.span = span
    }

    /// What a counter has counted since.
    ///
    /// One that is less than before has come to its end and gone on, where that makes a step of less than a quarter of all
    /// it can count; else it was set back to zero.
    func increment(from before: Double, to now: Double) -> Double {
        if now >= before { return now - before }
        if let span, span > before, span - before + now <= span / 4 { return span - before + now }
        return max(0, now)
    }
}

/// A point of a window, with what it brings along from pane to pane.
struct WindowMember: Equatable {
    let point: WindowPoint
    /// The value that stands, and since when; nil while nobody knows it.
    var standing: Double?
    var since = Timestamp(microseconds: 0)
    /// The last that a counter said.
    var counted: Double?
    var late = 0

    init(_ point: WindowPoint) {
        self.point = point
    }

    /// - Parameters:
    ///   - start: of the pane.
    ///   - accumulator: of the pane.
    mutating func take(_ reading: Reading, from start: Timestamp, _ accumulator: inout Accumulator) {
        stand(until: reading.time, from: start, &accumulator)
        guard reading.quality == .good, let number = reading.value.asTruth, number.isFinite,
            !reading.value.isRoundedNumber
        else {
            accumulator.unusable += 1
            standing = nil
            return
        }
        if point.isCounter {
            if let counted { accumulator.counted(point.increment(from: counted, to: number)) }
            counted = number
        }
        accumulator.add(number, reading.value)
        standing = number
        since = reading.time
    }

    /// The value has stood until a moment of the pane.
    mutating func stand(until end: Timestamp, from start: Timestamp, _ accumulator: inout Accumulator) {
        guard let standing else { return }
        accumulator.stood(standing, for: end.microseconds(since: max(since, start)))
        since = max(since, end)
    }
}
