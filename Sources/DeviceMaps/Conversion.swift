// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// From what a device sends to what it means: value = raw × scale + offset, labels, texts that stand for values.
public struct Conversion: Sendable, Equatable {
    public private(set) var scaling = Scaling()
    public var labels: [Int64: String] = [:]
    /// What a text stands for.
    public var values: [String: Value] = [:]
    /// Raw numbers and texts of messages that mean "no value". Registers have theirs beside their layout.
    public var absentNumbers: [Value] = []
    public var absentTexts: [String] = []
    /// The map says that the point is a number or a boolean: any other text is a mistake, not a value.
    public var refusesTexts = false

    public init() {}

    public init(scale: Decimal, offset: Decimal) {
        scaling = Scaling(scale: scale, offset: offset)
    }

    /// The same of numbers that are what they mean.
    public var unscaled: Conversion {
        var conversion = self
        conversion.scaling = Scaling()
        return conversion
    }

    public var scales: Bool { scaling != Scaling() }

    /// Whether it is that and nothing else.
    public var isScaling: Bool {
        var same = Conversion()
        same.scaling = scaling
        return self == same
    }

    /// Turns a good raw reading into what it means, in place.
    public func apply(to reading: inout Reading, texts batch: inout Batch) {
        guard Self.hasMeaning(reading) else { return }
        if case .text(let index) = reading.value, refusesTexts || !values.isEmpty || !absentTexts.isEmpty {
            applyTexts(batch.text(at: index), to: &reading)
        } else if !absentNumbers.isEmpty, absentNumbers.contains(where: { $0.distance(to: reading.value) == 0 }) {
            reading.spoil(.absent, .none)
        } else if !labels.isEmpty {
            applyLabels(to: &reading, texts: &batch)
        } else if isOfYesAndNo, let number = reading.value.asNumber {
            // The point's texts mean true and false. A number is neither, unless `values` lists it.
            if let value = values[number.plain] { reading.value = value } else { reading.spoil(.bad, .unknownLabel) }
        } else if scales {
            scaling.apply(to: &reading)
        }
    }

    fileprivate static func hasMeaning(_ reading: Reading) -> Bool {
        reading.quality == .good || reading.reason == .retained
    }

    public func scaled(_ raw: Double) -> Double { scaling.scaled(raw) }

    /// The raw number that means `value`.
    public func raw(of value: Double) -> Double { scaling.raw(of: value) }

    /// Whether its `values` are all true or false.
    private var isOfYesAndNo: Bool {
        !values.isEmpty && values.values.allSatisfy { if case .boolean = $0 { true } else { false } }
    }

    private func applyTexts(_ text: String, to reading: inout Reading) {
        if absentTexts.contains(text) {
            reading.spoil(.absent, .none)
        } else if let value = values[text] {
            reading.value = value
        } else if !values.isEmpty {
            reading.quality = .uncertain
            reading.reason = .unknownLabel
        } else if refusesTexts {
            reading.spoil(.bad, .wrongType)
        }
    }

    private func applyLabels(to reading: inout Reading, texts batch: inout Batch) {
        let number: Int64? =
            switch reading.value {
            case .integer(let value): value
            case .boolean(let value): value ? 1 : 0
            default: reading.value.asNumber.flatMap { Int64(exactly: $0) }
            }
        if let label = number.flatMap({ labels[$0] }) {
            reading.value = batch.text(label)
        } else {
            reading.quality = .uncertain
            reading.reason = .unknownLabel
        }
    }
}

/// value = raw × scale + offset. Decimal factors as written are kept as whole numbers: (raw × multiplier + addend) ÷
/// divisor rounds once, so that 3 × 0.1 is 0.3 and not 0.30000000000000004.
public struct Scaling: Sendable, Equatable, BitwiseCopyable {
    private var multiplier: Double = 1
    private var addend: Double = 0
    private var divisor: Double = 1

    public init() {}

    public init(scale: Decimal, offset: Decimal) {
        let places = max(scale.places, offset.places)
        divisor = Decimal.powerOfTen(places)
        multiplier = scale.digits * Decimal.powerOfTen(places - scale.places)
        addend = offset.digits * Decimal.powerOfTen(places - offset.places)
    }

    /// A conversion from unit to unit, as a fraction of small numbers where it is one: 9/5, and not 1.8, for degrees.
    public init(scale: Double, offset: Double) {
        for divisor in Self.divisors {
            let multiplier = (scale * divisor).rounded()
            guard multiplier != 0, abs(multiplier / divisor - scale) <= abs(scale) * 1e-15 else { continue }
            (self.multiplier, self.divisor) = (multiplier, divisor)
            addend = Self.rounded(offset * divisor)
            return
        }
        (multiplier, addend) = (scale, offset)
    }

    private static let divisors = (1...100).map(Double.init) + (3...15).map { Decimal.powerOfTen($0) }

    /// Where scales begin is known to a few decimals; more come of computing.
    private static func rounded(_ offset: Double) -> Double {
        let near = (offset * 1e9).rounded() / 1e9
        return abs(near - offset) <= 1e-12 * max(1, abs(offset)) ? near : offset
    }

    /// Tells a number, good or doubtful, in another unit.
    public func tell(_ reading: inout Reading) {
        guard let number = reading.value.asNumber else { return }
        let value = told(number)
        guard value.isFinite else { return reading.spoil(.bad, .notANumber) }
        reading.doubtRounding()
        reading.value = .number(value)
    }

    /// In another unit, to thirteen digits: what is 22.7 Cel is 72.86 [degF] and not 72.85999999999999.
    public func told(_ number: Double) -> Double {
        let value = scaled(number)
        guard value.isFinite, value != 0 else { return value }
        let places = 12 - Int(log10(abs(value)).rounded(.down))
        guard (0...22).contains(places) else { return value }
        return (value * Decimal.powerOfTen(places)).rounded() / Decimal.powerOfTen(places)
    }

    public var scale: Double { multiplier / divisor }
    public var offset: Double { addend / divisor }

    public func scaled(_ raw: Double) -> Double { (raw * multiplier + addend) / divisor }

    public func raw(of value: Double) -> Double { (value * divisor - addend) / multiplier }

    /// Turns a good raw number into what it means, in place.
    public func apply(to reading: inout Reading) {
        guard Conversion.hasMeaning(reading) else { return }
        guard let raw = reading.value.asNumber else { return reading.spoil(.bad, .wrongType) }
        let value = scaled(raw)
        guard value.isFinite else { return reading.spoil(.bad, .notANumber) }
        reading.doubtRounding()
        reading.value = .number(value)
    }
}

extension Reading {
    /// Before its whole number becomes a double: one that this rounds is doubtful.
    fileprivate mutating func doubtRounding() {
        if quality == .good, value.isRoundedNumber { (quality, reason) = (.uncertain, .imprecise) }
    }
}

/// A decimal number as written: `digits` ÷ 10^`places`.
public struct Decimal: Sendable, Equatable {
    public var digits: Double
    public var places: Int

    public static let zero = Decimal(digits: 0, places: 0)
    public static let one = Decimal(digits: 1, places: 0)

    private init(digits: Double, places: Int) {
        self.digits = digits
        self.places = places
    }

    /// Nil where the text is no number.
    public init?(_ text: String) {
        guard let number = Double(text), number.isFinite else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        // Written with an exponent, or with more digits than a double keeps apart: as near as a double is.
        guard parts.count <= 2, !text.contains(where: { "eExX".contains($0) }), text.utf8.count <= 15,
            let digits = Double(parts.joined())
        else {
            self.init(digits: number, places: 0)
            return
        }
        self.init(digits: digits, places: parts.count == 2 ? parts[1].utf8.count : 0)
    }

    fileprivate static func powerOfTen(_ exponent: Int) -> Double {
        (0..<max(0, exponent)).reduce(1) { power, _ in power * 10 }
    }
}
