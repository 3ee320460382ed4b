// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Tells readings that arrive late from a clock that was set back: both are older than what came before.
///
/// After a clock was set back, readings go on at their usual pace with the older time. A backlog that a device sends after an
/// interruption arrives faster than it was sampled, or mixed with new readings.
struct LateReadings: BitwiseCopyable {
    enum Verdict {
        case newer
        /// Older than the last one: what is known stays.
        case late
        /// The clock was set back.
        case setBack
    }

    /// How long a reading takes from its device, in microseconds.
    private static let longestDelay: Int64 = 10_000_000
    /// Fewer in a row are late.
    static let fewestInARow = 16

    private var inARow: UInt8 = 0
    /// The first of those in a row: its own time, and when it arrived.
    private var first = Timestamp(microseconds: 0)
    private var firstArrival = Timestamp(microseconds: 0)

    /// - Parameters:
    ///   - time: of the reading.
    ///   - last: the newest time before.
    ///   - now: the system's clock, when the reading arrives.
    mutating func judge(_ time: Timestamp, last: Timestamp, now: Timestamp) -> Verdict {
        guard time < last else {
            inARow = 0
            return .newer
        }
        // The last was of a time that is still to come, and this one is of now: the clock was set back between them.
        if last > now, (0...Self.longestDelay).contains(now.microseconds(since: time)) {
            inARow = 0
            return .setBack
        }
        if inARow == 0 || time < first { (inARow, first, firstArrival) = (0, time, now) }
        if inARow < .max { inARow += 1 }
        let (sampled, arrived) = (time.microseconds(since: first), now.microseconds(since: firstArrival))
        // Of readings of one time nothing tells the pace.
        guard inARow >= Self.fewestInARow, sampled > 0, arrived >= sampled / 2 else { return .late }
        inARow = 0
        return .setBack
    }
}
