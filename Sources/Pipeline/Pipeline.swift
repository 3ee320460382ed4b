// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What happens to readings between the device and the outbox: `interpret`, then `filter`.
///
/// Stages change a batch in place and keep their state by series. No clock: a reading brings its own time.
public struct Pipeline {
    private var slots = SeriesSlots()
    private var interpretation = Interpretation()
    private var deadband = DeadbandFilter()

    public init() {}

    /// Makes a series known, or says what it means from now on. Readings of others pass unchanged.
    public mutating func add(_ series: SeriesNumber, _ point: Point) {
        let slot = slots.add(series)
        interpretation.set(slot, point)
        deadband.set(slot, point)
    }

    /// From what devices sent to what it means.
    public mutating func interpret(_ batch: inout Batch) {
        interpretation.apply(to: &batch, slots)
    }

    /// Lets go of what is no news.
    /// - Returns: how many readings went.
    public mutating func filter(_ batch: inout Batch) -> Int {
        deadband.apply(to: &batch, slots)
        return batch.compact()
    }

    /// Takes back that a batch was let pass, as it was lost: the next readings of its series are news, whatever they say.
    public mutating func forget(_ batch: Batch) {
        for reading in batch.readings {
            if let slot = slots[reading.series] { deadband.forget(slot) }
        }
    }
}
