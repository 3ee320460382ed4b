// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

/// A formula over points, as it is written: `sqrt(p*p + q*q)`, `pressure > 5 'bar' and not door_open`.
indirect enum Expression: Equatable {
    /// A number in a unit of UCUM, or of whatever it is put together with.
    case number(Double, unit: String?)
    case boolean(Bool)
    /// What a text is compared with.
    case text(String, at: Int)
    /// - Parameter device: nil for the one whose formula it is.
    case point(device: String?, name: String, at: Int)
    case unary(UnaryOperator, Expression)
    case binary(BinaryOperator, Expression, Expression, at: Int)
    case call(Function, [Expression], at: Int)

    enum UnaryOperator { case minus, not }

    enum BinaryOperator: String {
        case or, and
        case less = "<"
        case atMost = "<="
        case more = ">"
        case atLeast = ">="
        case equal = "=="
        case different = "!="
        case plus = "+"
        case minus = "-"
        case times = "*"
        case over = "/"
        case power = "^"

        /// How tightly it binds.
        var precedence: Int {
            switch self {
            case .or: 1
            case .and: 2
            case .less, .atMost, .more, .atLeast, .equal, .different: 4
            case .plus, .minus: 5
            case .times, .over: 6
            case .power: 8
            }
        }
    }

    enum Function: String, CaseIterable {
        case sqrt, abs, min, max, mean, round, floor, ceil, exp, ln, log10, sin, cos, tan, atan2
        /// `if(condition, one, other)`.
        case `if`
        /// The number without its unit.
        case number
        /// `rate(point, 60 's')`: how fast it has changed over that time.
        case rate
        /// `cusum(point, 1000, 100000)`: how far it is from what it was like in its first 1,000 readings.
        case cusum, ewma
        /// `quality(point) == "out_of_range"`, `reason(point) == "spike"`.
        case quality, reason

        var arguments: ClosedRange<Int> {
            switch self {
            case .min, .max, .mean: 2...16
            case .atan2, .rate: 2...2
            case .if: 3...3
            case .cusum, .ewma: 1...3
            default: 1...1
            }
        }
    }
}

/// A mistake in a formula.
public struct ExpressionError: Error, Equatable {
    public var code: Code
    public var message: String
    /// Bytes from its start.
    public var offset: Int

    init(_ code: Code, _ message: String, at offset: Int) {
        self.code = code
        self.message = message
        self.offset = offset
    }
}
