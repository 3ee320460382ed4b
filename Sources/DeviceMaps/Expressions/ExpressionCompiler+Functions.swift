// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

extension ExpressionCompiler {
    mutating func call(
        _ function: Expression.Function, _ arguments: [Expression], _ at: Int
    ) throws(ExpressionError) -> Kind {
        switch function {
        case .min, .max, .mean, .atan2:
            var measure = try number(arguments[0], at)
            let sign: Program.Binary =
                switch function {
                case .min: .min
                case .max: .max
                case .mean: .plus
                default: .atan2
                }
            for argument in arguments.dropFirst() {
                measure = try bring(try number(argument, at), to: measure, function.rawValue, at)
                program.append(.binary(sign))
            }
            if function == .mean {
                program.append(.constant(Double(arguments.count)))
                program.append(.binary(.over))
            }
            return .number(function == .atan2 ? Measure(UnitOfMeasure("rad")) : measure)
        case .if:
            try boolean(arguments[0], at)
            let (one, other) = (try compile(arguments[1]), try compile(arguments[2]))
            defer { program.append(.select) }
            switch (one, other) {
            case (.boolean, .boolean): return .boolean
            case (.number(let one), .number(let other)): return .number(try bring(other, to: one, "if", at))
            default:
                throw ExpressionError(
                    .formulaWrongType,
                    "gives a number in one case and a boolean in the other: both must be of one type", at: at)
            }
        case .rate: return .number(try rate(arguments[0], over: arguments[1], at))
        case .cusum: return .number(try change(.cusum, arguments, at))
        case .ewma: return .number(try change(.ewma, arguments, at))
        case .quality, .reason:
            throw ExpressionError(
                .formulaWrongType,
                "must compare `\(function.rawValue)` with a text, for example \(function.rawValue)(pressure) == "
                    + (function == .quality ? "\"out_of_range\"" : "\"spike\""), at: at)
        case .number:
            _ = try number(arguments[0], at)
            return .number(.bare)
        default: return .number(try unary(function, try number(arguments[0], at), at))
        }
    }

    private mutating func unary(
        _ function: Expression.Function, _ measure: Measure, _ at: Int
    ) throws(ExpressionError) -> Measure {
        switch function {
        case .abs, .round, .floor, .ceil:
            if function == .abs { try proveSize(measure, at) }
            let signs: [Expression.Function: Program.Unary] = [
                .abs: .abs, .round: .round, .floor: .floor, .ceil: .ceil,
            ]
            program.append(.unary(signs[function] ?? .abs))
            return measure.as(measure.role)
        case .sqrt:
            program.append(.unary(.sqrt))
            guard let unit = measure.unit else { return .bare }
            guard let root = unit.squareRoot else {
                throw ExpressionError(
                    .formulaUnits, "takes the square root of a value whose unit is not a square", at: at)
            }
            return .product(root)
        default:
            let isAngle = function == .sin || function == .cos || function == .tan
            if let unit = measure.unit {
                let radian = UnitOfMeasure("rad") ?? .one
                let wanted = isAngle && unit.isCommensurable(with: radian) ? radian : .one
                guard unit.isCommensurable(with: wanted) else {
                    throw ExpressionError(
                        .formulaUnits,
                        "gives `\(function.rawValue)` a number with a unit: write number(…) for the number alone",
                        at: at)
                }
                convert(unit, to: wanted)
            }
            let signs: [Expression.Function: Program.Unary] = [
                .exp: .exp, .ln: .ln, .log10: .log10, .sin: .sin, .cos: .cos, .tan: .tan,
            ]
            program.append(.unary(signs[function] ?? .exp))
            return .bare
        }
    }
}
