// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Doubts numbers that have not moved at all for longer than they can be expected to: a frozen sensor answers too.
struct StuckCheck {
    private struct State {
        /// Microseconds.
        let stuck: Int64
        /// The last number, since when it is the same, when it was last read, and whether none could be read after that.
        var last: (value: Value, since: Timestamp, read: Timestamp, isInterrupted: Bool)?
        var late = LateReadings()
    }

    private var states = SlotStates<State>()

    mutating func set(_ slot: Int, _ filters: Filters) {
        states.set(slot, filters.stuck.map { State(stuck: $0) }) { $0.stuck == $1.stuck }
    }

    /// - Parameter now: the system's clock.
    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots, now: Timestamp) {
        guard !states.isEmpty else { return }
        for event in batch.events {
            // What was set says nothing of how long anything stood.
            let hasJumped = event.origin.clock == .jumped
            for index in event.readings {
                let reading = batch.readings[index]
                guard let slot = slots[reading.series],
                    states.with(slot, { Self.judge(reading, hasJumped, now, &$0) }) ?? false
                else { continue }
                batch.readings[index].quality = .uncertain
                batch.readings[index].reason = .stuck
            }
        }
    }

    /// A reading that is doubted as a spike, that arrives late, or that has no number, says nothing of whether the sensor is
    /// frozen. An interruption begins the time anew only where it is as long as that time itself.
    private static func judge(
        _ reading: Reading, _ hasJumped: Bool, _ now: Timestamp, _ state: inout State
    ) -> Bool {
        guard reading.value.asNumber != nil else {
            state.last?.isInterrupted = true
            return false
        }
        guard reading.reason != .spike else { return false }
        if let last = state.last, !hasJumped {
            let isLate = state.late.judge(reading.time, last: last.read, now: now)
            if isLate == .late { return false }
            let gap = reading.time.microseconds(since: last.read)
            if isLate == .newer, last.value == reading.value, !(last.isInterrupted && gap >= state.stuck) {
                state.last = (reading.value, last.since, reading.time, false)
                return reading.quality == .good && reading.time.microseconds(since: last.since) >= state.stuck
            }
        }
        state.last = (reading.value, reading.time, reading.time, false)
        return false
    }
}
