// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// From what devices sent to what it means: scale and offset, labels, the values that mean "no value", the range.
struct Interpretation {
    /// What most points need that are not what they send: small and trivially copied.
    private struct Meaning {
        enum Step { case none, scaling, conversion }

        var step: Step
        var scaling: Scaling
        var range: ClosedRange<Double>?
        /// To the unit that is sent.
        var report: Scaling?
    }

    /// Of most points nothing else is looked at.
    private var isPlain: [Bool] = []
    private var meanings: [Meaning] = []
    private var conversions: [Conversion] = []

    /// - Parameter slot: one that there is, or the next.
    mutating func set(_ slot: Int, _ conversion: Conversion, _ range: ClosedRange<Double>?, _ report: Scaling?) {
        let step: Meaning.Step =
            if conversion == Conversion() { .none } else if conversion.isScaling { .scaling } else { .conversion }
        let meaning = Meaning(step: step, scaling: conversion.scaling, range: range, report: report)
        let isPlain = step == .none && range == nil && report == nil
        if slot == meanings.count {
            self.isPlain.append(isPlain)
            meanings.append(meaning)
            conversions.append(conversion)
        } else {
            self.isPlain[slot] = isPlain
            meanings[slot] = meaning
            conversions[slot] = conversion
        }
    }

    func apply(to batch: inout Batch, _ slots: SeriesSlots) {
        for index in batch.readings.indices {
            guard let slot = slots[batch.readings[index].series], !isPlain[slot] else { continue }
            var reading = batch.readings[index]
            switch meanings[slot].step {
            case .none: break
            case .scaling: meanings[slot].scaling.apply(to: &reading)
            case .conversion: conversions[slot].apply(to: &reading, texts: &batch)
            }
            if let range = meanings[slot].range { Point.check(range, &reading) }
            meanings[slot].report?.tell(&reading)
            batch.readings[index] = reading
        }
    }
}
