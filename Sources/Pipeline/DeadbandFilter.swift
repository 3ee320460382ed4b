// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Lets a reading pass where it is news: moved by more than the point's deadband, of another quality, or after
/// `at_least` of silence. A point without a deadband is always news, but that it is still bad is not.
struct DeadbandFilter {
    private struct Rule {
        var deadband: Deadband?
        /// Microseconds.
        var atLeast: Int64
    }

    /// What was last let pass.
    private struct Sent {
        var quality: Quality
        var reason: Reason
        var value: Value
        var text: String?
        var time: Timestamp
    }

    private var rules: [Rule] = []
    private var sent: [Sent?] = []

    mutating func add(_ point: Point) {
        rules.append(Rule(deadband: point.deadband, atLeast: point.atLeast ?? .max))
        sent.append(nil)
    }

    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        for index in batch.readings.indices {
            let reading = batch.readings[index]
            guard let slot = slots[reading.series] else { continue }
            let rule = rules[slot]
            if case .none = rule.deadband, reading.quality != .bad, sent[slot]?.quality != .bad { continue }
            let text: String? = if case .text(let place) = reading.value { batch.text(at: place) } else { nil }
            if Self.isNews(reading, text, after: sent[slot], rule) {
                sent[slot] = Sent(
                    quality: reading.quality, reason: reading.reason, value: reading.value, text: text,
                    time: reading.time)
            } else {
                batch.readings[index].isKept = false
            }
        }
    }

    private static func isNews(_ reading: Reading, _ text: String?, after sent: Sent?, _ rule: Rule) -> Bool {
        guard let sent else { return true }
        if reading.quality != sent.quality || reading.reason != sent.reason { return true }
        let silence = reading.time.microseconds(since: sent.time)
        // A clock that was set back says nothing about the silence: better once too often.
        if silence >= rule.atLeast || silence < 0 { return true }
        guard let deadband = rule.deadband else { return reading.quality != .bad }
        guard let new = reading.value.asNumber, let old = sent.value.asNumber else {
            return text != sent.text || (text == nil && reading.value != sent.value)
        }
        switch deadband {
        case .absolute(let band): return abs(new - old) > band
        case .relative(let share): return abs(new - old) > abs(old) * share
        }
    }
}
