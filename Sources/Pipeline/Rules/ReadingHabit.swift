// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How often a point comes that is not polled: the second longest of its last intervals, as one long silence may have been an
/// outage.
struct ReadingHabit: BitwiseCopyable {
    /// What comes sooner belongs to the reading before.
    private static let burst: Int64 = 1_000_000

    /// In seconds, the oldest at `next` once all are used.
    private(set) var intervals = SIMD8<Float>()
    private(set) var count: UInt8 = 0
    private var next: UInt8 = 0

    init() {}

    /// As it was kept.
    init(_ kept: [Float]) {
        for interval in kept.prefix(intervals.scalarCount) where interval.isFinite && interval > 0 { add(interval) }
    }

    /// The intervals that are known, the oldest first.
    var kept: [Float] {
        let first = Int(count) < intervals.scalarCount ? 0 : Int(next)
        return (0..<Int(count)).map { intervals[(first + $0) % intervals.scalarCount] }
    }

    /// - Parameter interval: microseconds since the reading before.
    mutating func note(_ interval: Int64) {
        if interval >= Self.burst { add(Float(interval) / 1_000_000) }
    }

    private mutating func add(_ seconds: Float) {
        intervals[Int(next)] = seconds
        count = min(count + 1, UInt8(intervals.scalarCount))
        next = (next + 1) % UInt8(intervals.scalarCount)
    }

    /// Microseconds; nil while no interval is known.
    var usual: Int64? {
        guard count > 0 else { return nil }
        var (longest, second) = (Float(0), Float(0))
        for place in 0..<Int(count) {
            let one = intervals[place]
            if one > longest { (longest, second) = (one, longest) } else if one > second { second = one }
        }
        return Int64(exactly: (Double(count == 1 ? longest : second) * 1_000_000).rounded())
    }
}
