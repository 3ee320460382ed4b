// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What happens to readings between the device and the outbox: `interpret`, `minimise`, then `filter`.
///
///     duplicates ─▶ scale, labels, range ─▶ spike, stuck ─▶ derived ┄▶ minimise ┄▶ spike ─▶ swing ─▶ deadband, min_interval
///                             interpret                                          ┊   filter
///                                                                                └▶ what windows take together
///
/// A copy of a reading is no second reading to any stage behind the first: it would fill the median of `spike`. Rules and
/// windows see what `minimise` leaves, before `swing` and `deadband`.
///
/// Stages change a batch in place and keep their state by series. A reading brings its own time; the system's clock says
/// only when it arrived, which tells one that is late from a clock that was set back.
public struct Pipeline {
    private var slots = SeriesSlots()
    private var interpretation = Interpretation()
    private var spikes = SpikeCheck()
    private var stuck = StuckCheck()
    private var derivation = Derivation()
    private var minimisation = Minimisation()
    private var duplicates = DuplicateFilter()
    /// Of series that are computed.
    private var computedDuplicates = DuplicateFilter()
    private var doors = SwingingDoor()
    private var news = NewsFilter()
    /// Whether a series that windows take together is told of beside that.
    private var windowed = SlotStates<Bool>()
    /// Series whose spikes are sent.
    private var keepsSpikes: Set<SeriesNumber> = []

    /// - Parameter minimises: whether there are points that must not leave as they are.
    public init(minimises: Bool = false) {
        minimisation.isWanted = minimises
    }

    /// Makes a series known, or says what it means from now on. Readings of others pass unchanged.
    public mutating func add(_ series: SeriesNumber, _ point: Point) {
        let slot = slots.add(series)
        interpretation.set(slot, point.conversion, point.range, point.report?.scaling)
        set(slot, point.filters.told(in: point.report))
        note(series, point.filters)
    }

    /// Makes a series known that is computed of others.
    /// - Parameter inputs: in the order of the program's.
    public mutating func add(_ series: SeriesNumber, _ point: Point, _ derived: Derived, of inputs: [SeriesNumber]) {
        add(series, filters: point.filters)
        let slot = slots.add(series)
        duplicates.set(slot, Filters())
        computedDuplicates.set(slot, point.filters)
        let places = inputs.map { input in
            if slots[input] == nil { add(input, filters: Filters()) }
            return slots.add(input)
        }
        derivation.add(series, derived, point.range, of: places)
    }

    /// Makes a series known that needs no interpretation.
    public mutating func add(_ series: SeriesNumber, filters: Filters) {
        let slot = slots.add(series)
        interpretation.set(slot, Conversion(), nil, nil)
        set(slot, filters)
        note(series, filters)
    }

    /// Says of a series that windows take its readings together.
    /// - Parameter isTold: whether it is told of beside that; nil where no window is about it.
    public mutating func setWindowed(_ series: SeriesNumber, isTold: Bool?) {
        windowed.set(slots.add(series), isTold)
    }

    /// Says of a series what is done to its readings before anybody else has them.
    public mutating func setTreatment(_ series: SeriesNumber, _ treatment: Treatment?) {
        minimisation.set(slots.add(series), treatment)
    }

    /// Series of a batch that nobody has added.
    public func strangers(in batch: Batch) -> [SeriesNumber] {
        batch.readings.lazy.map(\.series).filter { slots[$0] == nil }
    }

    private mutating func note(_ series: SeriesNumber, _ filters: Filters) {
        if filters.spike?.isKept ?? false { keepsSpikes.insert(series) } else { keepsSpikes.remove(series) }
    }

    private mutating func set(_ slot: Int, _ filters: Filters) {
        spikes.set(slot, filters)
        stuck.set(slot, filters)
        duplicates.set(slot, filters)
        computedDuplicates.set(slot, Filters())
        doors.set(slot, filters)
        news.set(slot, filters)
    }

    /// Takes out readings that came twice.
    /// - Returns: how many went, by device.
    public mutating func dropDuplicates(_ batch: inout Batch, _ counts: inout FilterCounts) -> [DeviceNumber: Int] {
        let dropped = duplicates.apply(to: &batch, slots, &counts)
        if !dropped.isEmpty { batch.compact() }
        return dropped
    }

    /// From what devices sent to what it means, and whether it is to be believed.
    /// - Parameter now: the system's clock.
    public mutating func interpret(_ batch: inout Batch, now: Timestamp) {
        interpretation.apply(to: &batch, slots)
        spikes.apply(to: &batch, slots)
        stuck.apply(to: &batch, slots, now: now)
        derivation.apply(to: &batch, slots, now: now)
    }

    /// Takes away what must not leave, and counts what it lets go of.
    public mutating func minimise(_ batch: inout Batch, _ counts: inout FilterCounts) {
        counts.minimised += minimisation.apply(to: &batch, slots)
    }

    /// Lets go of what is no news.
    /// - Parameters:
    ///   - feed: gets what windows take together: all that came but for duplicates and spikes.
    ///   - now: the system's clock.
    public mutating func filter(
        _ batch: inout Batch, feed: inout [Reading], _ counts: inout FilterCounts, now: Timestamp
    ) {
        _ = computedDuplicates.apply(to: &batch, slots, &counts)
        dropSpikes(&batch, &counts)
        self.feed(&feed, from: &batch, &counts)
        doors.apply(to: &batch, slots, now: now, &counts)
        news.apply(to: &batch, slots, now: now, &counts)
        batch.compact()
    }

    private func dropSpikes(_ batch: inout Batch, _ counts: inout FilterCounts) {
        guard !spikes.isEmpty else { return }
        for index in batch.readings.indices where batch.readings[index].isKept {
            guard batch.readings[index].reason == .spike, !keepsSpikes.contains(batch.readings[index].series) else {
                continue
            }
            batch.readings[index].isKept = false
            counts.spikes += 1
        }
    }

    private mutating func feed(_ feed: inout [Reading], from batch: inout Batch, _ counts: inout FilterCounts) {
        guard !windowed.isEmpty else { return }
        for index in batch.readings.indices where batch.readings[index].isKept {
            let reading = batch.readings[index]
            guard let slot = slots[reading.series], let isTold = windowed.with(slot, { $0 }) else { continue }
            feed.append(reading)
            // No figure tells a text: it goes on by itself.
            if case .text = reading.value { continue }
            if isTold { continue }
            batch.readings[index].isKept = false
            counts.windowed += 1
        }
    }

    /// What filters still hold back, as it is sent when nothing more will come.
    public mutating func flush() -> [Reading] { doors.flush() }

    /// Takes back that a batch was let pass, as it was lost: the next readings of its series are news, whatever they say.
    public mutating func forget(_ batch: Batch) {
        for reading in batch.readings {
            guard let slot = slots[reading.series] else { continue }
            duplicates.forget(slot)
            computedDuplicates.forget(slot)
            doors.forget(slot)
            news.forget(slot)
        }
    }
}

/// How many readings each filter has let go of.
public struct FilterCounts: Sendable, Equatable {
    public var deadband = 0
    public var tooSoon = 0
    public var duplicates = 0
    public var spikes = 0
    public var swung = 0
    /// Told of by windows alone.
    public var windowed = 0
    /// Not to leave at all.
    public var minimised = 0

    public init() {}

    /// By the key that asks for the filter.
    public var byKey: KeyValuePairs<String, Int> {
        [
            "deadband": deadband, "min_interval": tooSoon, "duplicates": duplicates, "spike": spikes,
            "swinging_door": swung,
            "windows": windowed, "privacy": minimised,
        ]
    }

    public var total: Int { deadband + tooSoon + duplicates + spikes + swung + windowed + minimised }
}
