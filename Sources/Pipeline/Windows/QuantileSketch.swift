// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Quantiles of many numbers in little room, each within 1 % of a number that was there: DDSketch (Masson, Rim, Lee: "DDSketch:
/// A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019).
///
/// Numbers are counted in buckets, each 2 % wider than the one below it. Where they span more than 2,048 buckets, a factor of
/// 10¹⁷, those nearest to zero share one.
struct QuantileSketch: Equatable {
    static let relativeError = 0.01
    private static let ratio = (1 + relativeError) / (1 - relativeError)
    private static let logRatio = log(ratio)
    private static let mostBuckets = 2_048
    /// Anything smaller is nothing: beyond 2 × 10⁻³⁰⁸ the logarithm is no longer exact, and nothing measured is near it.
    private static let least = 1e-300

    /// Counts of neighbouring buckets.
    struct Side: Equatable {
        /// Number of the first bucket.
        var first = 0
        var counts: [UInt32] = []

        mutating func add(_ bucket: Int, _ count: UInt32) {
            if counts.isEmpty { first = bucket }
            var place = bucket - first
            if place < 0 {
                let room = QuantileSketch.mostBuckets - counts.count
                let grown = min(-place, room)
                counts.insert(contentsOf: repeatElement(0, count: grown), at: 0)
                first -= grown
                place = max(0, bucket - first)
            } else if place >= counts.count {
                counts.append(contentsOf: repeatElement(0, count: place - counts.count + 1))
                collapse()
                place = max(0, bucket - first)
            }
            counts[place] = counts[place].addingReportingOverflow(count).partialValue
        }

        /// Those nearest to zero become one.
        private mutating func collapse() {
            let over = counts.count - QuantileSketch.mostBuckets
            guard over > 0 else { return }
            let sum = counts.prefix(over + 1).reduce(0) { $0 &+ $1 }
            counts.removeFirst(over)
            counts[0] = sum
            first += over
        }

        var total: Int { counts.reduce(0) { $0 + Int($1) } }
    }

    var positive = Side()
    var negative = Side()
    var zeros: UInt32 = 0

    var count: Int { positive.total + negative.total + Int(zeros) }

    mutating func add(_ number: Double) {
        let size = abs(number)
        guard size > Self.least else {
            zeros &+= 1
            return
        }
        // In the double's range, so it fits.
        let bucket = Int((log(size) / Self.logRatio).rounded(.up))
        if number > 0 { positive.add(bucket, 1) } else { negative.add(bucket, 1) }
    }

    mutating func merge(_ other: QuantileSketch) {
        zeros &+= other.zeros
        for (place, count) in other.positive.counts.enumerated() where count > 0 {
            positive.add(other.positive.first + place, count)
        }
        for (place, count) in other.negative.counts.enumerated() where count > 0 {
            negative.add(other.negative.first + place, count)
        }
    }

    /// - Parameter share: from 0 to 1.
    /// - Returns: nil of nothing.
    func quantile(_ share: Double) -> Double? {
        let count = count
        guard count > 0 else { return nil }
        var left = Int((share * Double(count - 1)).rounded(.down))
        for place in negative.counts.indices.reversed() {
            left -= Int(negative.counts[place])
            if left < 0 { return -Self.middle(negative.first + place) }
        }
        left -= Int(zeros)
        if left < 0 { return 0 }
        for place in positive.counts.indices {
            left -= Int(positive.counts[place])
            if left < 0 { return Self.middle(positive.first + place) }
        }
        return nil
    }

    /// No further than the error from both ends of the bucket.
    private static func middle(_ bucket: Int) -> Double {
        2 * exp(Double(bucket) * logRatio) / (ratio + 1)
    }
}
