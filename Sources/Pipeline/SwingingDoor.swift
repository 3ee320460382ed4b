// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Lets go of readings that lie on a straight line between two that are sent (swinging door compression; Bristol, US
/// patent 4,669,097).
///
/// From the last reading sent, the anchor, every reading since leaves a door open: the lines that pass it by no more than
/// the bound. One is held back for as long as the line to it goes through the doors of all before it; the first that
/// does not sends the held one on its way, which is the next anchor. So a line from one reading sent to the next passes
/// every reading between them by no more than the bound. (Where doors are only kept from closing, as is often done, it
/// may be twice that.)
///
/// The bound covers good numbers that arrive in the order of their times. One that arrives late moves nothing: where it fits
/// between the anchor and what is held it is one more door, else it is sent by itself, beside the line.
struct SwingingDoor {
    private struct State {
        let bound: Double
        /// Microseconds.
        let atLeast: Int64
        var anchor: Reading?
        var held: Reading?
        /// The doors of all readings since the anchor, as slopes.
        var lower = -Double.infinity
        var upper = Double.infinity
        /// What was last sent that is no good number.
        var other: Reading?
        var late = LateReadings()

        init(bound: Double, atLeast: Int64) {
            // A line that a reader computes is rounded.
            self.bound = bound * (1 - 1e-9)
            self.atLeast = atLeast
        }
    }

    /// What becomes of a reading.
    private enum Verdict {
        case pass
        /// It is held back; `replaced` where one that was held is let go of for it.
        case hold(replaced: Bool)
        /// It is held back and another sent in its place.
        case send(Reading)
        /// It passes behind another.
        case sendBoth(Reading)
        /// It is left out: it says once more what is no number, or lies on the line although it came late.
        case drop
    }

    private var states = SlotStates<State>()

    mutating func set(_ slot: Int, _ filters: Filters) {
        let state = filters.swing.map { State(bound: $0, atLeast: filters.atLeast ?? .max) }
        states.set(slot, state) { $0.bound == $1.bound && $0.atLeast == $1.atLeast }
    }

    /// - Parameter now: the system's clock.
    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots, now: Timestamp, _ counts: inout FilterCounts) {
        guard !states.isEmpty else { return }
        var late: [(event: Int, reading: Reading)] = []
        for event in batch.events.indices {
            for index in batch.events[event].readings where batch.readings[index].isKept {
                let reading = batch.readings[index]
                guard let slot = slots[reading.series],
                    let verdict = states.with(slot, { Self.judge(reading, now, &$0) })
                else { continue }
                switch verdict {
                case .pass: break
                case .hold(let replaced):
                    batch.readings[index].isKept = false
                    if replaced { counts.swung += 1 }
                case .drop:
                    batch.readings[index].isKept = false
                    counts.swung += 1
                case .send(let held): batch.readings[index] = held
                case .sendBoth(let held):
                    batch.readings[index] = held
                    late.append((event, reading))
                }
            }
        }
        batch.insert(late)
    }

    /// What is held back, which nothing will come to send any more.
    mutating func flush() -> [Reading] {
        var held: [Reading] = []
        states.forEach { state in
            if let one = state.held { held.append(one) }
            (state.anchor, state.held) = (nil, nil)
        }
        return held
    }

    mutating func forget(_ slot: Int) {
        _ = states.with(slot) { ($0.anchor, $0.other) = (nil, nil) }
    }

    private static func judge(_ reading: Reading, _ now: Timestamp, _ state: inout State) -> Verdict {
        let newest = state.held ?? state.anchor ?? state.other
        let lateness = newest.map { state.late.judge(reading.time, last: $0.time, now: now) }
        guard reading.quality == .good, let number = reading.value.asNumber else {
            return lateness == .late ? .pass : judgeOther(reading, &state)
        }
        if lateness == .late { return judgeLate(reading, number, &state) }
        state.other = nil
        guard let anchor = state.anchor, let from = anchor.value.asNumber,
            reading.time > (state.held ?? anchor).time
        else {
            // Nothing to draw a line from, or its clock was set back.
            defer { begin(at: reading, &state) }
            return state.held.map { .sendBoth($0) } ?? .pass
        }
        let elapsed = Double(reading.time.microseconds(since: anchor.time))
        let slope = (number - from) / elapsed
        if let held = state.held,
            !(state.lower...state.upper).contains(slope)
                || reading.time.microseconds(since: anchor.time) >= state.atLeast
        {
            begin(at: held, &state)
            hold(reading, &state)
            return .send(held)
        }
        let isReplaced = state.held != nil
        hold(reading, &state)
        return .hold(replaced: isReplaced)
    }

    /// One that is older than what is held is left out where the line to that passes it by no more than the bound.
    private static func judgeLate(_ reading: Reading, _ number: Double, _ state: inout State) -> Verdict {
        guard let anchor = state.anchor, let held = state.held, reading.time > anchor.time,
            let from = anchor.value.asNumber, let to = held.value.asNumber
        else { return .pass }
        let slope = (to - from) / Double(held.time.microseconds(since: anchor.time))
        let elapsed = Double(reading.time.microseconds(since: anchor.time))
        guard abs(from + slope * elapsed - number) <= state.bound else { return .pass }
        state.lower = max(state.lower, (number - state.bound - from) / elapsed)
        state.upper = min(state.upper, (number + state.bound - from) / elapsed)
        return .drop
    }

    private static func begin(at anchor: Reading, _ state: inout State) {
        (state.anchor, state.held) = (anchor, nil)
        (state.lower, state.upper) = (-.infinity, .infinity)
    }

    /// Holds a reading back, whose door is one more that the line has to go through.
    private static func hold(_ reading: Reading, _ state: inout State) {
        guard let anchor = state.anchor, let from = anchor.value.asNumber, let to = reading.value.asNumber else {
            return
        }
        let elapsed = Double(reading.time.microseconds(since: anchor.time))
        state.lower = max(state.lower, (to - state.bound - from) / elapsed)
        state.upper = min(state.upper, (to + state.bound - from) / elapsed)
        state.held = reading
    }

    /// No line goes through what is no good number.
    private static func judgeOther(_ reading: Reading, _ state: inout State) -> Verdict {
        let held = state.held
        begin(at: reading, &state)
        state.anchor = nil
        // Where a text stands in its batch says nothing about it.
        let isText = if case .text = reading.value { true } else { false }
        if !isText, let other = state.other, other.quality == reading.quality, other.reason == reading.reason,
            reading.quality == .bad || other.value == reading.value,
            reading.time.microseconds(since: other.time) < state.atLeast
        {
            return .drop
        }
        state.other = reading
        return held.map { .sendBoth($0) } ?? .pass
    }
}
