// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// A formula as it is computed: numbers on a stack, yes is 1 and no is 0. Computing allocates nothing.
///
/// What cannot be computed, a root of -1 or a division by 0, is not a number, and nothing that is made of it is one: neither
/// the lesser of it and 100 nor whether it is more than 5. Not so where it makes no difference: the branch of an `if` that is
/// not taken, and what stands beside a yes with `or` or beside a no with `and`.
public struct Program: Sendable, Equatable {
    /// A point that the formula needs.
    public struct Input: Sendable, Hashable {
        /// What of the point it needs.
        public enum Look: Sendable, Hashable {
            case value
            /// How much a second it has changed over so many microseconds.
            case rate(over: Int64)
            /// Whether its text is this one.
            case equals(String)
            /// Whether its quality is this one.
            case quality(Quality)
            /// Whether the reason for its quality is this one.
            case reason(Reason)
            /// How far it is from what it was like in its first `learn` readings: 1 where it goes so far once in `per`
            /// readings while nothing has changed.
            case change(Detector, learn: Int, per: Int)
        }

        /// How a change is noticed.
        public enum Detector: String, Sendable, Hashable {
            /// By the sum of the distances: small ones that last (Page's cumulative sum).
            case cusum
            /// By a moving mean: middling ones, and sooner.
            case ewma
        }

        /// Nil for the device whose formula it is.
        public var device: String?
        public var point: String
        public var look = Look.value
    }

    enum Instruction: Sendable, Equatable {
        case constant(Double)
        case input(Int)
        /// From unit to unit.
        case convert(scale: Double, offset: Double)
        case unary(Unary)
        case binary(Binary)
        /// Of three, the second where the first is yes, else the third.
        case select
    }

    enum Unary: Sendable {
        case minus, not, sqrt, abs, round, floor, ceil, exp, ln, log10, sin, cos, tan
    }

    enum Binary: Sendable {
        case plus, minus, times, over, power, min, max, atan2, and, or, less, atMost, more, atLeast, equal, different
    }

    public internal(set) var inputs: [Input] = []
    /// Whether what comes of it is yes or no.
    public internal(set) var isBoolean = false
    private(set) var instructions: [Instruction] = []
    private var depth = 0
    private var deepest = 0

    mutating func append(_ instruction: Instruction) {
        instructions.append(instruction)
        switch instruction {
        case .constant, .input: depth += 1
        case .convert, .unary: break
        case .binary: depth -= 1
        case .select: depth -= 2
        }
        deepest = Swift.max(deepest, depth)
    }

    /// - Parameter inputs: the numbers of `inputs`, in their order.
    public func evaluate(_ inputs: UnsafeBufferPointer<Double>) -> Double {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: deepest + 1) { stack in
            var top = -1
            for instruction in instructions {
                switch instruction {
                case .constant(let number):
                    top += 1
                    stack[top] = number
                case .input(let place):
                    top += 1
                    stack[top] = Self.finite(inputs[place])
                case .convert(let scale, let offset): stack[top] = Self.finite(stack[top] * scale + offset)
                case .unary(let sign): stack[top] = Self.finite(stack[top].isNaN ? .nan : Self.apply(sign, stack[top]))
                case .binary(let sign):
                    top -= 1
                    let (one, other) = (stack[top], stack[top + 1])
                    stack[top] = Self.combine(sign, one, other)
                case .select:
                    top -= 2
                    let condition = stack[top]
                    stack[top] = condition.isNaN ? .nan : condition != 0 ? stack[top + 1] : stack[top + 2]
                }
            }
            return stack[top]
        }
    }

    private static func finite(_ number: Double) -> Double { number.isFinite ? number : .nan }

    private static func combine(_ sign: Binary, _ one: Double, _ other: Double) -> Double {
        if !one.isNaN, !other.isNaN { return finite(apply(sign, one, other)) }
        switch sign {
        case .and: return one == 0 || other == 0 ? 0 : .nan
        case .or: return one == 1 || other == 1 ? 1 : .nan
        default: return .nan
        }
    }

    private static func apply(_ sign: Unary, _ number: Double) -> Double {
        switch sign {
        case .minus: -number
        case .not: number == 0 ? 1 : 0
        case .sqrt: number.squareRoot()
        case .abs: Swift.abs(number)
        case .round: number.rounded()
        case .floor: number.rounded(.down)
        case .ceil: number.rounded(.up)
        case .exp: Glibc.exp(number)
        case .ln: log(number)
        case .log10: Glibc.log10(number)
        case .sin: Glibc.sin(number)
        case .cos: Glibc.cos(number)
        case .tan: Glibc.tan(number)
        }
    }

    private static func apply(_ sign: Binary, _ one: Double, _ other: Double) -> Double {
        switch sign {
        case .plus: one + other
        case .minus: one - other
        case .times: one * other
        case .over: one / other
        case .power: pow(one, other)
        case .min: Swift.min(one, other)
        case .max: Swift.max(one, other)
        case .atan2: Glibc.atan2(one, other)
        case .and: one != 0 && other != 0 ? 1 : 0
        case .or: one != 0 || other != 0 ? 1 : 0
        case .less: one < other ? 1 : 0
        case .atMost: one <= other ? 1 : 0
        case .more: one > other ? 1 : 0
        case .atLeast: one >= other ? 1 : 0
        case .equal: one == other ? 1 : 0
        case .different: one != other ? 1 : 0
        }
    }
}
