// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Lets a reading pass where it is news: moved by the point's deadband or more, of another quality, or after `max_interval` of
/// silence; and not before `min_interval` is over. A point without a deadband is always news, but that it is still bad is not.
///
/// Each is judged beside the one that was sent before it, late or not: who receives them takes them in that order. How long
/// the silence was is counted from the newest.
struct NewsFilter {
    /// What one series is held to, and what was last let pass of it.
    private struct State {
        let deadband: Deadband?
        /// Microseconds, as the next.
        let atLeast: Int64
        let atMost: Int64
        /// False where another filter says what is news.
        let isOn: Bool
        var late = LateReadings()
        /// The last one sent.
        var sent: Reading?
        /// The time of the newest of those sent.
        var newest = Timestamp(microseconds: .min)

        func isHeld(as other: State) -> Bool {
            deadband == other.deadband && atLeast == other.atLeast && atMost == other.atMost && isOn == other.isOn
        }
    }

    private enum Verdict { case news, none, tooSoon }

    private var states: [State] = []
    /// The hash of each text that was sent last: a text itself may be long, and leaves with its batch.
    private var texts: [SeriesNumber: Int] = [:]

    /// What comes next is news, unless nothing has changed.
    /// - Parameter slot: one that there is, or the next.
    mutating func set(_ slot: Int, _ filters: Filters) {
        let state = State(
            deadband: filters.deadband, atLeast: filters.atLeast ?? .max, atMost: filters.atMost ?? 0,
            isOn: filters.swing == nil)
        guard slot < states.count else { return states.append(state) }
        if !state.isHeld(as: states[slot]) { states[slot] = state }
    }

    /// - Parameter now: the system's clock.
    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots, now: Timestamp, _ counts: inout FilterCounts) {
        Self.apply(to: &batch, slots, now, &states, &texts, &counts)
    }

    private static func apply(
        to batch: inout Batch, _ slots: SeriesSlots, _ now: Timestamp, _ states: inout [State],
        _ texts: inout [SeriesNumber: Int],
        _ counts: inout FilterCounts
    ) {
        let told = batch.texts
        var readings = batch.readings.mutableSpan
        var states = states.mutableSpan
        for index in readings.indices where readings[index].isKept {
            let reading = readings[index]
            guard let slot = slots[reading.series], states[slot].isOn else { continue }
            let isLate = isLate(reading, now, &states[slot])
            var verdict = verdict(reading, states[slot])
            if case .text(let place) = reading.value {
                let text = (told.indices.contains(Int(place)) ? told[Int(place)] : "").hashValue
                if verdict == .none, text != texts[reading.series] { verdict = .news }
                if verdict == .news { texts[reading.series] = text }
            }
            switch verdict {
            case .news:
                states[slot].sent = reading
                if !isLate { states[slot].newest = reading.time }
            case .none: counts.deadband += 1
            case .tooSoon: counts.tooSoon += 1
            }
            readings[index].isKept = verdict == .news
        }
    }

    /// What was let pass of a series did not arrive: whatever comes next is news.
    mutating func forget(_ slot: Int) {
        states[slot].sent = nil
    }

    /// Whether a reading is older than the last one sent. After its clock was set back it is the first of a new time, and
    /// news: nothing is known of the silence.
    private static func isLate(_ reading: Reading, _ now: Timestamp, _ state: inout State) -> Bool {
        guard state.sent != nil else { return false }
        switch state.late.judge(reading.time, last: state.newest, now: now) {
        case .newer: return false
        case .late: return true
        case .setBack:
            state.sent = nil
            return false
        }
    }

    /// Whether a reading is news, but for what a text says.
    private static func verdict(_ reading: Reading, _ state: State) -> Verdict {
        guard let sent = state.sent else { return .news }
        if reading.quality != sent.quality || reading.reason != sent.reason { return .news }
        let silence = reading.time.microseconds(since: state.newest)
        if silence >= state.atLeast { return .news }
        if silence < state.atMost, silence > -state.atMost { return .tooSoon }
        guard let deadband = state.deadband else { return reading.quality == .bad ? .none : .news }
        return hasMoved(reading.value, from: sent.value, deadband) ? .news : .none
    }

    private static func hasMoved(_ value: Value, from last: Value, _ deadband: Deadband) -> Bool {
        guard let new = value.asNumber, let old = last.asNumber else {
            // Where a text stands in its batch says nothing about it.
            if case .text = value, case .text = last { return false }
            return value != last
        }
        // Only of larger ones a double does not say exactly how far they are apart.
        let isExact = max(abs(new), abs(old)) <= 0x1p53
        let moved = isExact ? abs(new - old) : value.distance(to: last) ?? abs(new - old)
        let band =
            switch deadband {
            case .absolute(let band): band
            case .relative(let share): abs(old) * share
            }
        // A step of exactly the deadband is news, also where binary digits make it a little less: 20.2 - 20.1 for 0.1.
        return moved > 0 && moved >= band - max(abs(new), abs(old)) * value.resolution
    }
}

extension Value {
    /// How far a number may be from the one that was meant, as a part of itself.
    fileprivate var resolution: Double {
        switch self {
        case .single: 0x1p-22
        case .integer, .unsigned: 0
        case .none, .number, .boolean, .text: 0x1p-51
        }
    }
}
