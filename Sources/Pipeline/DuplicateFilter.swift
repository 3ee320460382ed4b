// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Lets go of a reading that says what the one before it said, of the same moment: a message that came twice.
struct DuplicateFilter {
    private struct State {
        var last: Reading?
        var text: String?
    }

    private var states = SlotStates<State>()

    mutating func set(_ slot: Int, _ filters: Filters) {
        states.set(slot, filters.dropsDuplicates ? State() : nil) { _, _ in true }
    }

    /// - Returns: how many are not kept, by device.
    mutating func apply(
        to batch: inout Batch, _ slots: SeriesSlots, _ counts: inout FilterCounts
    ) -> [DeviceNumber: Int] {
        guard !states.isEmpty else { return [:] }
        var dropped: [DeviceNumber: Int] = [:]
        for event in batch.events {
            for index in event.readings where batch.readings[index].isKept {
                let reading = batch.readings[index]
                let text: String? = if case .text(let place) = reading.value { batch.text(at: place) } else { nil }
                guard let slot = slots[reading.series], states.with(slot, { Self.isSame(reading, text, &$0) }) ?? false
                else { continue }
                batch.readings[index].isKept = false
                dropped[event.device, default: 0] += 1
                counts.duplicates += 1
            }
        }
        return dropped
    }

    mutating func forget(_ slot: Int) {
        _ = states.with(slot) { $0 = State() }
    }

    private static func isSame(_ reading: Reading, _ text: String?, _ state: inout State) -> Bool {
        defer {
            state.last = reading
            state.text = text
        }
        guard let last = state.last, last.time == reading.time, last.quality == reading.quality,
            last.reason == reading.reason, state.text == text
        else { return false }
        return text != nil || last.value == reading.value
    }
}
