// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What is done to a point that is not to leave as it is.
public enum Treatment: Sendable {
    /// Its readings go no further.
    case drop
    /// Of a text so many characters are left, from the first on.
    case mask(keep: Int)
    /// Of a number the multiple of a step that is not above it; the step is the scale.
    case generalise(Scaling)
    /// A keyed hash stands for it.
    case token(@Sendable (String) -> String)
}

/// Changes readings before anybody keeps, shows or sends them: what must not leave is on no disk either.
struct Minimisation {
    private var treatments = SlotStates<Treatment>()
    /// Whether there is anything that must not leave, of whatever series.
    var isWanted = false

    mutating func set(_ slot: Int, _ treatment: Treatment?) { treatments.set(slot, treatment) }

    /// - Returns: how many readings it has let go of.
    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots) -> Int {
        guard isWanted else { return 0 }
        for index in batch.readings.indices {
            guard let slot = slots[batch.readings[index].series], let treatment = treatments.with(slot, { $0 }) else {
                continue
            }
            var reading = batch.readings[index]
            Self.apply(treatment, to: &reading, of: &batch)
            batch.readings[index] = reading
        }
        let dropped = batch.compact()
        // The batch is kept with its texts, whoever they are of: also of messages that were refused half read.
        if !batch.texts.isEmpty { batch.dropUnusedTexts() }
        return dropped
    }

    private static func apply(_ treatment: Treatment, to reading: inout Reading, of batch: inout Batch) {
        switch treatment {
        case .drop: reading.isKept = false
        case .generalise(let step):
            guard reading.value != .none else { return }
            guard let number = reading.value.asNumber else { return reading.spoil(.bad, .wrongType) }
            let steps = step.raw(of: number)
            // 0.7 is seven times 0.1, however it is computed.
            let isWhole = abs(steps - steps.rounded()) <= 1e-9 * max(1, abs(steps))
            let value = step.scaled(steps.rounded(isWhole ? .toNearestOrEven : .down))
            guard value.isFinite else { return reading.spoil(.bad, .notANumber) }
            reading.value = .number(value)
        case .mask(let keep):
            guard let text = Self.text(of: reading.value, batch) else { return }
            reading.value = batch.text(String(text.prefix(keep)) + "***")
        case .token(let token):
            guard let text = Self.text(of: reading.value, batch) else { return }
            reading.value = batch.text(token(text))
        }
    }

    private static func text(of value: Value, _ batch: Batch) -> String? {
        switch value {
        case .none: nil
        case .text(let index): batch.text(at: index)
        case .boolean(let isTrue): "\(isTrue)"
        case .integer(let integer): "\(integer)"
        case .unsigned(let number): "\(number)"
        case .single(let number): text(of: Double(number))
        case .number(let number): text(of: number)
        }
    }

    /// An id that came as a number is the same as one that came as a text.
    private static func text(of number: Double) -> String {
        Int64(exactly: number).map { "\($0)" } ?? "\(number)"
    }
}
