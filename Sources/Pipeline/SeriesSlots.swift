// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Where the state of each series stands in a stage's arrays.
///
/// Series are numbered over the whole gateway and an input has only some of them: this maps theirs to 0, 1, 2 …
/// without hashing.
struct SeriesSlots {
    private var base = 0
    /// Slot of series `base + index`, or -1.
    private var slots: [Int32] = []
    private(set) var count = 0

    /// The slot of a series, new where it had none.
    mutating func add(_ series: SeriesNumber) -> Int {
        if let known = self[series] { return known }
        if slots.isEmpty { base = series.index }
        if series.index < base {
            slots.insert(contentsOf: repeatElement(-1, count: base - series.index), at: 0)
            base = series.index
        }
        let missing = series.index - base - slots.count + 1
        if missing > 0 { slots.append(contentsOf: repeatElement(-1, count: missing)) }
        slots[series.index - base] = Int32(count)
        count += 1
        return count - 1
    }

    subscript(series: SeriesNumber) -> Int? {
        let index = series.index - base
        guard slots.indices.contains(index), slots[index] >= 0 else { return nil }
        return Int(slots[index])
    }
}
