// Headgate
// SPDX-License-Identifier: Apache-2.0

import YAMLText

/// From a formula to what computes it, with every unit and type proven: what is put together is brought to one unit, and
/// what cannot be is a mistake.
public struct ExpressionCompiler {
    /// What a point is to a formula.
    public enum Operand: Sendable {
        /// - Parameter unit: nil for a number without one, which is in whatever unit it is put together with.
        case number(unit: UnitOfMeasure?)
        case boolean
        /// Nothing to compute with.
        case text
    }

    private enum Kind {
        case boolean
        case number(Measure)
    }

    private struct Measure {
        /// Nil for a number that is in whatever unit it is put together with.
        var unit: UnitOfMeasure?
        /// Of two values: 5 Cel warmer is not 5 Cel.
        var isDifference = false

        static let bare = Measure()
    }

    private let operand: (Program.Input) -> Operand?
    private var program = Program()
    /// The points there are, for who misspells one.
    private let names: [String]

    /// - Parameters:
    ///   - unit: what the result is told in; nil for a result without one.
    ///   - names: of the points that can be meant without a device.
    ///   - operand: nil where there is no such point.
    public static func compile(
        _ text: String, unit: String?, names: [String], operand: @escaping (Program.Input) -> Operand?
    ) throws(ExpressionError) -> Program {
        let expression = try ExpressionParser.parse(text)
        var compiler = ExpressionCompiler(operand: operand, names: names)
        let kind = try compiler.compile(expression)
        try compiler.tell(kind, in: unit)
        guard !compiler.program.inputs.isEmpty else {
            throw ExpressionError("needs a point: it is always the same", at: 0)
        }
        return compiler.program
    }

    private init(operand: @escaping (Program.Input) -> Operand?, names: [String]) {
        self.operand = operand
        self.names = names
    }

    private mutating func tell(_ kind: Kind, in unit: String?) throws(ExpressionError) {
        switch kind {
        case .boolean:
            program.isBoolean = true
            if unit != nil { throw ExpressionError("is yes or no, which has no unit", at: 0) }
        case .number(let measure):
            guard let own = measure.unit else { return }
            guard let unit, let wanted = UnitOfMeasure(unit) else {
                if own.isCommensurable(with: .one) { return convert(own, to: .one, at: 0) }
                throw ExpressionError("is a number in a unit: say which with `unit`", at: 0)
            }
            guard own.isCommensurable(with: wanted) else {
                throw ExpressionError("is of another kind than \(unit)", at: 0)
            }
            if measure.isDifference {
                convert(own.asDifference, to: wanted.asDifference, at: 0)
            } else {
                convert(own, to: wanted, at: 0)
            }
        }
    }

    private mutating func convert(_ unit: UnitOfMeasure, to other: UnitOfMeasure, at offset: Int) {
        guard let told = unit.conversion(to: other), told.scale != 1 || told.offset != 0 else { return }
        let scaling = Scaling(scale: told.scale, offset: told.offset)
        program.append(.convert(scale: scaling.scale, offset: scaling.offset))
    }

    // MARK: Parts

    private mutating func compile(_ expression: Expression) throws(ExpressionError) -> Kind {
        switch expression {
        case .number(let number, let unit):
            program.append(.constant(number))
            guard let unit else { return .number(.bare) }
            guard let measured = UnitOfMeasure(unit), !unit.isEmpty else {
                let meant = UCUM.meant(by: unit).map { ": write '\($0)'" } ?? ""
                throw ExpressionError("has '\(unit)', which is no unit of UCUM\(meant)", at: 0)
            }
            return .number(Measure(unit: measured))
        case .boolean(let value):
            program.append(.constant(value ? 1 : 0))
            return .boolean
        case .point(let device, let name, let at): return try point(Program.Input(device: device, point: name), at)
        case .unary(.not, let inner):
            try boolean(inner, 0)
            program.append(.unary(.not))
            return .boolean
        case .unary(.minus, let inner):
            let measure = try number(inner, 0)
            program.append(.unary(.minus))
            return .number(measure)
        case .binary(let sign, let one, let other, let at): return try binary(sign, one, other, at)
        case .call(let function, let arguments, let at): return try call(function, arguments, at)
        }
    }

    private mutating func point(_ input: Program.Input, _ at: Int) throws(ExpressionError) -> Kind {
        guard let operand = operand(input) else {
            let whole = input.device.map { "@\($0).\(input.point)" } ?? input.point
            throw ExpressionError("has no point `\(whole)`\(suggestion(for: input))", at: at)
        }
        if let known = program.inputs.firstIndex(of: input) {
            program.append(.input(known))
        } else {
            program.append(.input(program.inputs.count))
            program.inputs.append(input)
        }
        switch operand {
        case .number(let unit): return .number(Measure(unit: unit))
        case .boolean: return .boolean
        case .text: throw ExpressionError("cannot compute with `\(input.point)`, which is a text", at: at)
        }
    }

    private func suggestion(for input: Program.Input) -> String {
        guard input.device == nil, let nearest = Spelling.nearest(to: input.point, among: names) else { return "" }
        return ": did you mean \(nearest)?"
    }

    private mutating func number(_ expression: Expression, _ at: Int) throws(ExpressionError) -> Measure {
        guard case .number(let measure) = try compile(expression) else {
            throw ExpressionError("computes with a yes or no", at: at)
        }
        return measure
    }

    private mutating func boolean(_ expression: Expression, _ at: Int) throws(ExpressionError) {
        guard case .boolean = try compile(expression) else {
            throw ExpressionError("needs a yes or no here, such as `a > b`", at: at)
        }
    }

    // MARK: Signs

    private mutating func binary(
        _ sign: Expression.BinaryOperator, _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Kind {
        switch sign {
        case .and, .or:
            try boolean(one, at)
            try boolean(other, at)
            program.append(.binary(sign == .and ? .and : .or))
            return .boolean
        case .plus, .minus: return .number(try sum(sign, one, other, at))
        case .times, .over: return .number(try product(sign, one, other, at))
        case .power: return .number(try power(one, other, at))
        case .less, .atMost, .more, .atLeast, .equal, .different: return try comparison(sign, one, other, at)
        }
    }

    private mutating func sum(
        _ sign: Expression.BinaryOperator, _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        let left = try number(one, at)
        let right = try number(other, at)
        var together = try bring(right, to: left, sign.rawValue, at)
        program.append(.binary(sign == .plus ? .plus : .minus))
        guard left.unit != nil, right.unit != nil else { return together }
        if sign == .minus, left.isDifference, !right.isDifference {
            throw ExpressionError("takes a value from a difference of two", at: at)
        }
        together.isDifference =
            sign == .plus ? left.isDifference && right.isDifference : left.isDifference == right.isDifference
        return together
    }

    /// Brings the number on top of the stack to the unit of the one below it.
    private mutating func bring(
        _ right: Measure, to left: Measure, _ what: String, _ at: Int
    ) throws(ExpressionError) -> Measure {
        guard let unit = left.unit else { return right }
        guard let other = right.unit else { return left }
        guard unit.isCommensurable(with: other) else {
            throw ExpressionError("puts things of different kinds together with `\(what)`", at: at)
        }
        if left.isDifference || right.isDifference {
            convert(other.asDifference, to: unit.asDifference, at: at)
            // What a difference is added to says where the scale begins.
            return left.isDifference && !right.isDifference ? Measure(unit: unit.scaled(like: other)) : left
        }
        convert(other, to: unit, at: at)
        return left
    }

    private mutating func product(
        _ sign: Expression.BinaryOperator, _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        let left = try number(one, at)
        let right = try number(other, at)
        program.append(.binary(sign == .times ? .times : .over))
        switch (left.unit, right.unit) {
        case (nil, nil): return .bare
        case (_?, nil): return left
        case (nil, let unit?): return sign == .times ? right : Measure(unit: UnitOfMeasure.one / unit)
        case (let unit?, let other?): return Measure(unit: sign == .times ? unit * other : unit / other)
        }
    }

    private mutating func power(
        _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        let left = try number(one, at)
        let right = try number(other, at)
        guard right.unit == nil else { throw ExpressionError("has an exponent with a unit", at: at) }
        program.append(.binary(.power))
        guard let unit = left.unit else { return .bare }
        guard case .number(let exponent, nil) = other, let whole = Int(exactly: exponent), abs(whole) <= 8 else {
            throw ExpressionError("needs a small whole number as the exponent of what has a unit", at: at)
        }
        return Measure(unit: unit.power(whole))
    }

    private mutating func comparison(
        _ sign: Expression.BinaryOperator, _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Kind {
        let left = try compile(one)
        let right = try compile(other)
        switch (left, right) {
        case (.number(let left), .number(let right)): _ = try bring(right, to: left, sign.rawValue, at)
        case (.boolean, .boolean) where sign == .equal || sign == .different: break
        default: throw ExpressionError("compares a number with a yes or no", at: at)
        }
        let signs: [Expression.BinaryOperator: Program.Binary] = [
            .less: .less, .atMost: .atMost, .more: .more, .atLeast: .atLeast, .equal: .equal, .different: .different,
        ]
        program.append(.binary(signs[sign] ?? .equal))
        return .boolean
    }

    // MARK: Functions

    private mutating func call(
        _ function: Expression.Function, _ arguments: [Expression], _ at: Int
    ) throws(ExpressionError) -> Kind {
        switch function {
        case .min, .max, .atan2:
            var measure = try number(arguments[0], at)
            for argument in arguments.dropFirst() {
                measure = try bring(try number(argument, at), to: measure, function.rawValue, at)
                program.append(.binary(function == .min ? .min : function == .max ? .max : .atan2))
            }
            return .number(function == .atan2 ? Measure(unit: UnitOfMeasure("rad")) : measure)
        case .if:
            try boolean(arguments[0], at)
            let (one, other) = (try compile(arguments[1]), try compile(arguments[2]))
            defer { program.append(.select) }
            switch (one, other) {
            case (.boolean, .boolean): return .boolean
            case (.number(let one), .number(let other)): return .number(try bring(other, to: one, "if", at))
            default: throw ExpressionError("gives a number or a yes or no, and has to be one of them", at: at)
            }
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
            let signs: [Expression.Function: Program.Unary] = [
                .abs: .abs, .round: .round, .floor: .floor, .ceil: .ceil,
            ]
            program.append(.unary(signs[function] ?? .abs))
            return measure
        case .sqrt:
            program.append(.unary(.sqrt))
            guard let unit = measure.unit else { return .bare }
            guard let root = unit.squareRoot else {
                throw ExpressionError("takes the root of a unit that is no square", at: at)
            }
            return Measure(unit: root)
        default:
            let isAngle = function == .sin || function == .cos || function == .tan
            if let unit = measure.unit {
                let radian = UnitOfMeasure("rad") ?? .one
                let wanted = isAngle && unit.isCommensurable(with: radian) ? radian : .one
                guard unit.isCommensurable(with: wanted) else {
                    throw ExpressionError(
                        "gives `\(function.rawValue)` a number in a unit: write number(…) for the number alone", at: at)
                }
                convert(unit, to: wanted, at: at)
            }
            let signs: [Expression.Function: Program.Unary] = [
                .exp: .exp, .ln: .ln, .log10: .log10, .sin: .sin, .cos: .cos, .tan: .tan,
            ]
            program.append(.unary(signs[function] ?? .exp))
            return .bare
        }
    }
}
