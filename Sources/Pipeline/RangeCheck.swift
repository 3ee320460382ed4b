// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Marks what lies outside the range that the map gives.
struct RangeCheck {
    private var ranges: [ClosedRange<Double>?] = []

    /// - Parameter slot: one that there is, or the next.
    mutating func set(_ slot: Int, _ point: Point) {
        if slot == ranges.count { ranges.append(nil) }
        ranges[slot] = point.range
    }

    func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        for index in batch.readings.indices {
            guard let slot = slots[batch.readings[index].series], let range = ranges[slot] else { continue }
            Point.check(range, &batch.readings[index])
        }
    }
}
