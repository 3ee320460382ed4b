// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What a point says, small enough to be copied without a thought.
public enum Value: Hashable, Sendable, BitwiseCopyable {
    /// Nothing: the quality says why.
    case none
    case number(Double)
    /// A number that came in single precision, kept so that 230.1 does not become 230.10000610351562 on the way.
    case single(Float)
    case integer(Int64)
    /// A whole number above what `integer` can hold, and none that it can.
    case unsigned(UInt64)
    case boolean(Bool)
    /// A text, by its place in the batch's `texts`.
    case text(Int32)

    /// The value as a number, where it is one.
    ///
    /// Above 2^53 a whole number may be rounded by that: see `isExactNumber`.
    @inlinable public var asNumber: Double? {
        switch self {
        case .number(let value): value
        case .single(let value): Double(value)
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .none, .boolean, .text: nil
        }
    }

    /// A whole number, exactly.
    @inlinable public init(_ number: UInt64) {
        self = Int64(exactly: number).map { .integer($0) } ?? .unsigned(number)
    }

    /// A whole number as it is written in decimal; nil where that is none, or none of 64 bits.
    public init?(wholeNumber text: some StringProtocol) {
        if let integer = Int64(text) {
            self = .integer(integer)
        } else if let number = UInt64(text) {
            self = .unsigned(number)
        } else {
            return nil
        }
    }

    /// Whether `asNumber` is exactly the number: not of every whole number above 2^53.
    @inlinable public var isExactNumber: Bool {
        switch self {
        case .integer(let value): value.magnitude <= 1 << 53 || Int64(exactly: Double(value)) == value
        case .unsigned(let value): UInt64(exactly: Double(value)) == value
        case .number, .single: true
        case .none, .boolean, .text: false
        }
    }

    /// Whether the value lies in a range. Whole numbers are compared exactly. Nil if the value is not a number.
    @inlinable public func lies(in range: ClosedRange<Double>) -> Bool? {
        guard let number = asNumber else { return nil }
        if isExactNumber || number != range.lowerBound && number != range.upperBound { return range.contains(number) }
        // It was rounded to an end of the range: which side of that it is on, whole numbers say.
        switch self {
        case .integer(let value):
            guard let end = Int64(exactly: number) else { return number == range.upperBound }
            return number == range.upperBound ? value <= end : value >= end
        case .unsigned(let value):
            guard let end = UInt64(exactly: number) else { return number == range.upperBound }
            return number == range.upperBound ? value <= end : value >= end
        default: return range.contains(number)
        }
    }

    /// How far two numbers are apart: of whole numbers exactly, however large they are.
    @inlinable public func distance(to other: Value) -> Double? {
        switch (self, other) {
        case (.integer(let one), .integer(let other)):
            return Double(one > other ? UInt64(bitPattern: one &- other) : UInt64(bitPattern: other &- one))
        case (.unsigned(let one), .unsigned(let other)): return Double(one > other ? one - other : other - one)
        case (.unsigned(let large), .integer(let small)), (.integer(let small), .unsigned(let large)):
            // An `unsigned` is above every `integer`.
            if small < 0 { return Double(large) + Double(small.magnitude) }
            return Double(large > small.magnitude ? large - small.magnitude : small.magnitude - large)
        default:
            guard let one = asNumber, let other = other.asNumber else { return nil }
            return abs(one - other)
        }
    }
}
