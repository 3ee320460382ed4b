// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What is told of many samples that a device sends together, as of a vibration: one number of all of them.
public struct SampleFigure: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case min, max, mean, rms, peak, crest, kurtosis, deviation
        /// Root mean square of what lies between two frequencies, in hertz.
        case band(ClosedRange<Double>)
    }

    /// How many samples there are a second.
    public enum Rate: Sendable, Equatable {
        case hertz(Double)
        /// Where the message says it.
        case path(JSONPath)
    }

    public static let kinds: KeyValuePairs<String, Kind> = [
        "rms": .rms, "peak": .peak, "crest": .crest, "kurtosis": .kurtosis, "mean": .mean, "min": .min, "max": .max,
        "deviation": .deviation,
    ]

    public var kind: Kind
    /// Nil where it does not matter.
    public var rate: Rate?

    /// Whether it is in the unit of the samples, and not a mere number.
    public var isOfUnit: Bool { kind != .crest && kind != .kurtosis }

    /// Whether it follows a change of what zero is.
    var followsOffset: Bool { kind == .mean || kind == .min || kind == .max }

    /// For people.
    var description: String {
        if case .band(let band) = kind { return "band \(band.lowerBound.plain) to \(band.upperBound.plain) Hz" }
        return Self.kinds.first { $0.value == kind }?.key ?? ""
    }
}
