// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Another unit of the same kind that numbers are told in.
public struct UnitChange: Sendable {
    /// UCUM.
    public var unit: String
    private let told: @Sendable (Double) -> Double
    /// How large a difference of one is in it: of scales that begin elsewhere another matter than the number.
    private let ofOne: Double

    public init(unit: String, ofOne: Double, told: @escaping @Sendable (Double) -> Double) {
        self.unit = unit
        self.told = told
        self.ofOne = ofOne
    }

    /// Whether nothing is something else in it.
    public var movesZero: Bool { told(0) != 0 }

    public func value(_ value: Value) -> Value { value.asNumber.map { .number(told($0)) } ?? value }

    /// - Parameter figure: what the value is of a window.
    public func value(_ value: Value, of figure: Figure) -> Value {
        switch figure {
        case .count, .unusable, .late, .crest, .kurtosis: value
        case .min, .max, .mean, .timeMean, .last, .quantile: self.value(value)
        case .delta, .deviation: value.asNumber.map { .number($0 * ofOne) } ?? value
        // From a zero that is another in the other unit: nothing that can be told.
        case .rms, .peak: movesZero ? .none : self.value(value)
        }
    }
}
