// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Lets a reading pass where it is news: moved by more than the point's deadband, of another quality, or after
/// `at_least` of silence. A point without a deadband is always news, but that it is still bad is not.
struct DeadbandFilter {
    /// What one series is held to, and what was last let pass of it.
    private struct State {
        let deadband: Deadband?
        /// Microseconds.
        let atLeast: Int64
        var sent: Reading?
    }

    private var states: [State] = []
    /// What the texts among the readings sent said, as a reading's own text leaves with its batch.
    private var texts: [SeriesNumber: String] = [:]

    /// What comes next is news.
    /// - Parameter slot: one that there is, or the next.
    mutating func set(_ slot: Int, _ point: Point) {
        let state = State(deadband: point.deadband, atLeast: point.atLeast ?? .max)
        if slot == states.count { states.append(state) } else { states[slot] = state }
    }

    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        Self.apply(to: &batch, slots, &states, &texts)
    }

    private static func apply(
        to batch: inout Batch, _ slots: SeriesSlots, _ states: inout [State], _ texts: inout [SeriesNumber: String]
    ) {
        let told = batch.texts
        var readings = batch.readings.mutableSpan
        var states = states.mutableSpan
        for index in readings.indices {
            let reading = readings[index]
            guard let slot = slots[reading.series] else { continue }
            var isNews = isNews(reading, states[slot])
            if case .text(let place) = reading.value {
                let text = told.indices.contains(Int(place)) ? told[Int(place)] : ""
                isNews = isNews || text != texts[reading.series]
                if isNews { texts[reading.series] = text }
            }
            if isNews { states[slot].sent = reading } else { readings[index].isKept = false }
        }
    }

    /// What was let pass of a series did not arrive: whatever comes next is news.
    mutating func forget(_ slot: Int) {
        states[slot].sent = nil
    }

    /// Whether a reading is news, but for what a text says.
    private static func isNews(_ reading: Reading, _ state: State) -> Bool {
        guard let sent = state.sent else { return true }
        if reading.quality != sent.quality || reading.reason != sent.reason { return true }
        let silence = reading.time.microseconds(since: sent.time)
        // A clock that was set back says nothing about the silence: better once too often.
        if silence >= state.atLeast || silence < 0 { return true }
        guard let deadband = state.deadband else { return reading.quality != .bad }
        guard let new = reading.value.asNumber, let old = sent.value.asNumber else {
            // Where a text stands in its batch says nothing about it.
            if case .text = reading.value, case .text = sent.value { return false }
            return reading.value != sent.value
        }
        switch deadband {
        case .absolute(let band): return abs(new - old) > band
        case .relative(let share): return abs(new - old) > abs(old) * share
        }
    }
}
