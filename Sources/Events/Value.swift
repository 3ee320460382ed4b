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
    case boolean(Bool)
    /// A text, by its place in the batch's `texts`.
    case text(Int32)

    /// The value as a number, where it is one.
    @inlinable public var asNumber: Double? {
        switch self {
        case .number(let value): value
        case .single(let value): Double(value)
        case .integer(let value): Double(value)
        case .none, .boolean, .text: nil
        }
    }
}
