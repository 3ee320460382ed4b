// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Pipeline

extension Pipeline {
    /// Where no window takes anything together.
    mutating func filter(_ batch: inout Batch) -> FilterCounts {
        var feed: [Reading] = []
        var counts = FilterCounts()
        filter(&batch, feed: &feed, &counts)
        return counts
    }
}
