// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Adds to an event what is computed of its readings, and of the last ones of the other points that a formula needs. A
/// reading that arrives late changes nothing, as with rules.
struct Derivation {
    private struct Formula {
        let series: SeriesNumber
        let derived: Derived
        let range: ClosedRange<Double>?
        /// Places in `last`.
        let inputs: [Int]
        var isTouched = false
    }

    private var formulas: [Formula] = []
    /// By slot, the place in `last` of what a formula needs.
    private var places = SlotStates<Int>()
    private var last: [(reading: Reading, time: Timestamp, late: LateReadings)?] = []
    /// By place in `last`, the formulas that need it.
    private var needers: [[Int]] = []
    /// Kept from batch to batch for their room.
    private var touched: [Int] = []
    private var made: [(event: Int, reading: Reading)] = []

    /// - Parameter inputs: slots, in the order of the program's inputs.
    mutating func add(_ series: SeriesNumber, _ derived: Derived, _ range: ClosedRange<Double>?, of inputs: [Int]) {
        let formula = Formula(
            series: series, derived: derived, range: range, inputs: inputs.map { place(of: $0) })
        let known = formulas.firstIndex { $0.series == series }
        if let known { formulas[known] = formula } else { formulas.append(formula) }
        let number = known ?? formulas.count - 1
        for place in formula.inputs where !needers[place].contains(number) { needers[place].append(number) }
    }

    private mutating func place(of slot: Int) -> Int {
        if let known = places.with(slot, { $0 }) { return known }
        places.set(slot, last.count)
        last.append(nil)
        needers.append([])
        return last.count - 1
    }

    /// - Parameter now: the system's clock.
    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots, now: Timestamp) {
        guard !formulas.isEmpty else { return }
        made.removeAll(keepingCapacity: true)
        for event in batch.events.indices where !batch.events[event].readings.isEmpty {
            note(batch.readings[batch.events[event].readings], slots, now)
            for number in touched {
                formulas[number].isTouched = false
                if let reading = compute(formulas[number]) { made.append((event, reading)) }
            }
            touched.removeAll(keepingCapacity: true)
        }
        batch.insert(made)
    }

    private mutating func note(_ readings: ArraySlice<Reading>, _ slots: SeriesSlots, _ now: Timestamp) {
        for reading in readings {
            guard let slot = slots[reading.series], let place = places.with(slot, { $0 }) else { continue }
            guard note(reading, in: place, now) else { continue }
            for number in needers[place] where !formulas[number].isTouched {
                formulas[number].isTouched = true
                touched.append(number)
            }
        }
    }

    /// - Returns: false where it is late.
    private mutating func note(_ reading: Reading, in place: Int, _ now: Timestamp) -> Bool {
        // As with rules, one from the future counts from now.
        let time = min(reading.time, now)
        guard let known = last[place] else {
            last[place] = (reading, time, LateReadings())
            return true
        }
        if last[place]?.late.judge(time, last: known.time, now: now) == .late { return false }
        last[place]?.reading = reading
        last[place]?.time = time
        return true
    }

    private func compute(_ formula: Formula) -> Reading? {
        formula.derived.reading(formula.series, within: formula.range) { last[formula.inputs[$0]]?.reading }
    }
}
