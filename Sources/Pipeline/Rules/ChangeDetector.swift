// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Glibc
import Synchronization

/// Notices that readings are no longer what they were: by how far they are from a baseline, and for how long.
///
/// The score is 1 where a detector is at its limit. The limit follows from how often it may be reached while nothing has
/// changed: once in so many readings on average, of readings that are independent of one another and normally distributed,
/// beside a baseline that is exact.
struct ChangeDetector {
    /// Of `k`, a shift by a standard deviation is found first (Page, 1954).
    private static let allowance = 0.5
    /// How much of the newest reading is in the moving mean (Roberts, 1959).
    private static let weight = 0.2

    let learn: Int
    private let kind: Program.Input.Detector
    private let limit: Double
    private(set) var baseline: Baseline
    var sums = Sums()

    /// What it knows beside its baseline.
    struct Sums {
        /// CUSUM's, upwards and downwards.
        var up = 0.0
        var down = 0.0
        /// EWMA's mean, in standard deviations from the baseline.
        var moving = 0.0
    }

    /// - Parameters:
    ///   - learn: readings of the baseline.
    ///   - per: readings a false alarm.
    init(_ kind: Program.Input.Detector, learn: Int, per: Int, baseline: Baseline = Baseline()) {
        self.kind = kind
        self.learn = learn
        self.baseline = baseline
        limit =
            switch kind {
            case .cusum: Self.cusumLimit(per: Double(per))
            case .ewma: Self.ewmaLimit(per: Double(per))
            }
    }

    var isLearnt: Bool { baseline.count >= learn }

    /// - Returns: the score; not a number while the baseline is learnt, or where that never moved.
    mutating func add(_ number: Double) -> Double {
        guard number.isFinite else { return .nan }
        if !isLearnt {
            baseline.add(number)
            return .nan
        }
        guard baseline.deviation > 0 else { return .nan }
        let distance = (number - baseline.mean) / baseline.deviation
        switch kind {
        case .cusum:
            // Beyond twice the limit nothing is learnt of it, and back it comes the later.
            sums.up = min(max(0, sums.up + distance - Self.allowance), 2 * limit)
            sums.down = min(max(0, sums.down - distance - Self.allowance), 2 * limit)
            return max(sums.up, sums.down) / limit
        case .ewma:
            sums.moving += Self.weight * (distance - sums.moving)
            sums.moving = min(max(sums.moving, -1e6), 1e6)
            return abs(sums.moving) / limit
        }
    }

    // MARK: Limits

    /// Of the two sums together: Siegmund's approximation of a one-sided one ("Sequential Analysis", 1985, 2.6), twice as
    /// often reached by either.
    static func cusumLimit(per: Double) -> Double {
        let double = 2 * allowance
        return bisect(0...60) { limit in
            let b = double * (limit + 1.166)
            return (exp(b) - b - 1) / (double * allowance) / 2 >= per
        }
    }

    /// In standard deviations of the readings, from a Markov chain over the moving mean (Lucas, Saccucci: "Exponentially
    /// Weighted Moving Average Control Schemes", Technometrics 32, 1990, appendix).
    static func ewmaLimit(per: Double) -> Double {
        if let known = ewmaLimits.withLock({ $0[per] }) { return known }
        let deviation = (weight / (2 - weight)).squareRoot()
        let limit = bisect(0.5...8) { averageRunLength(limit: $0 * deviation) >= per } * deviation
        ewmaLimits.withLock { $0[per] = limit }
        return limit
    }

    /// Each is a matter of milliseconds, and the same for all devices of a rule.
    private static let ewmaLimits = Mutex<[Double: Double]>([:])

    /// Readings until the moving mean leaves ±limit.
    static func averageRunLength(limit: Double) -> Double {
        let states = 51
        let width = 2 * limit / Double(states)
        func below(_ x: Double) -> Double { 0.5 * erfc(-x / 2.squareRoot()) }
        var rows = (0..<states).map { from -> [Double] in
            let center = -limit + (Double(from) + 0.5) * width
            let row = (0..<states).map { to -> Double in
                let lower = -limit + Double(to) * width
                let rest = (1 - weight) * center
                return below((lower + width - rest) / weight) - below((lower - rest) / weight)
            }
            return row.enumerated().map { ($0.offset == from ? 1 : 0) - $0.element } + [1]
        }
        // (I − R) μ = 1, by elimination: the matrix is diagonally dominant.
        for pivot in 0..<states {
            for other in (pivot + 1)..<max(states, pivot + 1) {
                let factor = rows[other][pivot] / rows[pivot][pivot]
                for column in pivot...states { rows[other][column] -= factor * rows[pivot][column] }
            }
        }
        var lengths = [Double](repeating: 0, count: states)
        for row in (0..<states).reversed() {
            let known = ((row + 1)..<max(states, row + 1)).reduce(0) { $0 + rows[row][$1] * lengths[$1] }
            lengths[row] = (rows[row][states] - known) / rows[row][row]
        }
        return lengths[states / 2]
    }

    /// The least number of a range from which on it holds.
    private static func bisect(_ range: ClosedRange<Double>, _ holds: (Double) -> Bool) -> Double {
        var (low, high) = (range.lowerBound, range.upperBound)
        for _ in 0..<50 {
            let middle = (low + high) / 2
            if holds(middle) { high = middle } else { low = middle }
        }
        return high
    }
}
