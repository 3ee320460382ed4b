// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What is done to a point that is not to leave as it is.
public enum Treatment: Sendable {
    /// Its readings go no further.
    case drop
    /// Of a text so many characters are left, from the first on.
    case mask(keep: Int)
    /// Of a number the multiple of a step that is not above it.
    case generalise(step: Double)
    /// A keyed hash stands for it.
    case token(@Sendable (String) -> String)
}

/// Changes readings before anybody keeps, shows or sends them: what must not leave is on no disk either.
struct Minimisation {
    private var treatments = SlotStates<Treatment>()

    mutating func set(_ slot: Int, _ treatment: Treatment?) { treatments.set(slot, treatment) }

    /// - Returns: how many readings it has let go of.
    mutating func apply(to batch: inout Batch, _ slots: SeriesSlots) -> Int {
        guard !treatments.isEmpty else { return 0 }
        var isTreated = false
        for index in batch.readings.indices {
            guard let slot = slots[batch.readings[index].series], let treatment = treatments.with(slot, { $0 }) else {
                continue
            }
            isTreated = true
            var reading = batch.readings[index]
            Self.apply(treatment, to: &reading, of: &batch)
            batch.readings[index] = reading
        }
        guard isTreated else { return 0 }
        let dropped = batch.compact()
        // The batch is kept with its texts, whoever they are of.
        batch.dropUnusedTexts()
        return dropped
    }

    private static func apply(_ treatment: Treatment, to reading: inout Reading, of batch: inout Batch) {
        switch treatment {
        case .drop: reading.isKept = false
        case .generalise(let step):
            guard reading.value != .none else { return }
            guard let number = reading.value.asNumber else { return reading.spoil(.bad, .wrongType) }
            let value = (number / step).rounded(.down) * step
            reading.value = .number(value.isFinite ? value : 0)
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
        case .single(let number): text(of: Double(number))
        case .number(let number): text(of: number)
        }
    }

    /// An id that came as a number is the same as one that came as a text.
    private static func text(of number: Double) -> String {
        Int64(exactly: number).map { "\($0)" } ?? "\(number)"
    }
}
