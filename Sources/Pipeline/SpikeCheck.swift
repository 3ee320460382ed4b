// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Doubts numbers that are far from those before them: the Hampel identifier, looking back only, so that nothing waits.
///
/// A value that has really changed is doubted until it is the usual one: for half a window.
struct SpikeCheck {
    /// The median distance from the median, of a normal distribution, in standard deviations (1 ÷ 0.6745).
    private static let deviation = 1.4826

    private struct State {
        let spike: Filters.Spike
        /// The last numbers, the oldest at `next` once there are enough.
        var values: [Double] = []
        var next = 0
    }

    private var states = SlotStates<State>()

    var isEmpty: Bool { states.isEmpty }

    mutating func set(_ slot: Int, _ filters: Filters) {
        states.set(slot, filters.spike.map { State(spike: $0) }) { $0.spike == $1.spike }
    }

    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        guard !states.isEmpty else { return }
        for index in batch.readings.indices {
            guard let slot = slots[batch.readings[index].series], batch.readings[index].quality == .good,
                let number = batch.readings[index].value.asNumber,
                states.with(slot, { Self.judge(number, &$0) }) ?? false
            else { continue }
            batch.readings[index].quality = .uncertain
            batch.readings[index].reason = .spike
        }
    }

    private static func judge(_ number: Double, _ state: inout State) -> Bool {
        defer { keep(number, &state) }
        guard state.values.count == state.spike.window else { return false }
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: state.values.count) { sorted in
            _ = sorted.initialize(from: state.values)
            let median = Self.median(sorted)
            for place in sorted.indices { sorted[place] = abs(sorted[place] - median) }
            let usual = max(state.spike.limit * deviation * Self.median(sorted), state.spike.floor)
            // Of what stands still nothing is known but that it did.
            return usual > 0 && abs(number - median) > usual
        }
    }

    private static func keep(_ number: Double, _ state: inout State) {
        if state.values.count < state.spike.window { return state.values.append(number) }
        state.values[state.next] = number
        state.next = (state.next + 1) % state.spike.window
    }

    /// Sorts them, too.
    private static func median(_ values: UnsafeMutableBufferPointer<Double>) -> Double {
        var values = values
        values.sort()
        let middle = values.count / 2
        return values.count.isMultiple(of: 2) ? (values[middle - 1] + values[middle]) / 2 : values[middle]
    }
}
