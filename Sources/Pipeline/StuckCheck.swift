// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Doubts numbers that have not moved at all for longer than they can be expected to: a frozen sensor answers too.
struct StuckCheck {
    private struct State {
        /// Microseconds.
        let stuck: Int64
        var last: (value: Value, since: Timestamp)?
    }

    private var states = SlotStates<State>()

    mutating func set(_ slot: Int, _ filters: Filters) {
        states.set(slot, filters.stuck.map { State(stuck: $0) }) { $0.stuck == $1.stuck }
    }

    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        guard !states.isEmpty else { return }
        for event in batch.events {
            // What was set says nothing of how long anything stood.
            let hasJumped = event.origin.clock == .jumped
            for index in event.readings {
                let reading = batch.readings[index]
                guard let slot = slots[reading.series],
                    states.with(slot, { Self.judge(reading, hasJumped, &$0) }) ?? false
                else { continue }
                batch.readings[index].quality = .uncertain
                batch.readings[index].reason = .stuck
            }
        }
    }

    /// Only what is good can be doubted; a spike that comes again and again is stuck as well.
    private static func judge(_ reading: Reading, _ hasJumped: Bool, _ state: inout State) -> Bool {
        guard reading.value.asNumber != nil else {
            state.last = nil
            return false
        }
        guard !hasJumped, let last = state.last, last.value == reading.value, last.since <= reading.time else {
            state.last = (reading.value, reading.time)
            return false
        }
        return reading.quality == .good && reading.time.microseconds(since: last.since) >= state.stuck
    }
}
