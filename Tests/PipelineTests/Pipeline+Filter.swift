// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Pipeline

extension Pipeline {
    /// Where no window takes anything together.
    mutating func filter(_ batch: inout Batch, now: Timestamp? = nil) -> FilterCounts {
        var feed: [Reading] = []
        var counts = FilterCounts()
        filter(&batch, feed: &feed, &counts, now: now ?? Self.now(batch))
        return counts
    }

    /// What arrives when it was sampled.
    mutating func interpret(_ batch: inout Batch) { interpret(&batch, now: Self.now(batch)) }

    static func now(_ batch: Batch) -> Timestamp { batch.readings.map(\.time).max() ?? Timestamp(microseconds: 0) }
}
