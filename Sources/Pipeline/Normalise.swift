// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Scale, offset, labels, and the values that mean "no value".
struct Normalise {
    private var conversions: [Conversion?] = []

    /// - Parameter slot: one that there is, or the next.
    mutating func set(_ slot: Int, _ point: Point) {
        if slot == conversions.count { conversions.append(nil) }
        // Most points are what they send; nothing is looked up for those.
        conversions[slot] = point.conversion == Conversion() ? nil : point.conversion
    }

    func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        for index in batch.readings.indices {
            guard let slot = slots[batch.readings[index].series], let conversion = conversions[slot] else { continue }
            var reading = batch.readings[index]
            conversion.apply(to: &reading, texts: &batch)
            batch.readings[index] = reading
        }
    }
}
