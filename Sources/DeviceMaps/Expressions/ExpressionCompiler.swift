// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

/// From a formula to what computes it, with every unit and type proven: what is put together is brought to one unit, and
/// what cannot be is a mistake.
public struct ExpressionCompiler {
    /// What a point is to a formula.
    public enum Operand: Sendable {
        /// - Parameters:
        ///   - unit: nil for a number without one, which is in whatever unit it is put together with.
        ///   - told: the unit in which it comes, where that is another.
        case number(unit: UnitOfMeasure?, told: UnitOfMeasure? = nil)
        case boolean
        /// Nothing to compute with.
        /// - Parameter labels: all it can be; empty where it can be anything.
        case text(labels: [String] = [])
    }

    enum Kind {
        case boolean
        case number(Measure)
    }

    struct Measure {
        /// Temperatures are told on scales that begin somewhere: 5 Cel warmer is not 5 Cel, and twice 20 Cel is nothing.
        enum Role { case plain, temperature, difference }

        /// Nil for a number that is in whatever unit it is put together with.
        var unit: UnitOfMeasure?
        var role: Role
        /// Written as it is: 5 'Cel' is a temperature beside one that it is compared with, and a difference where it is
        /// added to one.
        var isLiteral = false

        static let bare = Measure(nil)

        init(_ unit: UnitOfMeasure?, isLiteral: Bool = false) {
            self.unit = unit
            self.isLiteral = isLiteral
            role = unit.map(\.isTemperature) ?? false ? .temperature : .plain
        }

        func `as`(_ role: Role) -> Measure {
            var measure = self
            measure.role = role
            measure.isLiteral = false
            return measure
        }

        /// What comes of products: no formula makes a temperature so that is told on a scale.
        static func product(_ unit: UnitOfMeasure) -> Measure {
            Measure(unit).as(unit.isTemperature ? .difference : .plain)
        }
    }

    private let operand: (Program.Input) -> Operand?
    var program = Program()
    /// The points there are, for who misspells one.
    private let names: [String]
    /// Whether it may look at more of a point than its last number.
    let isRule: Bool

    /// - Parameters:
    ///   - unit: what the result is told in; nil for a result without one.
    ///   - names: of the points that can be meant without a device.
    ///   - isRule: whether it says yes or no, and may look at more of a point than its last number.
    ///   - operand: nil where there is no such point.
    public static func compile(
        _ text: String, unit: String?, names: [String], isRule: Bool = false,
        operand: @escaping (Program.Input) -> Operand?
    ) throws(ExpressionError) -> Program {
        let expression = try ExpressionParser.parse(text)
        var compiler = ExpressionCompiler(operand: operand, names: names, isRule: isRule)
        let kind = try compiler.compile(expression)
        if isRule, case .number = kind {
            throw ExpressionError(
                .formulaWrongType, "is a number: it must be a condition, for example pressure > 5", at: 0)
        }
        try compiler.tell(kind, in: unit)
        guard !compiler.program.inputs.isEmpty else {
            throw ExpressionError(.formulaConstant, "uses no point: its result never changes", at: 0)
        }
        return compiler.program
    }

    private init(operand: @escaping (Program.Input) -> Operand?, names: [String], isRule: Bool) {
        self.operand = operand
        self.names = names
        self.isRule = isRule
    }

    private mutating func tell(_ kind: Kind, in unit: String?) throws(ExpressionError) {
        switch kind {
        case .boolean:
            program.isBoolean = true
            if unit != nil { throw ExpressionError(.formulaUnits, "is a boolean, which has no unit", at: 0) }
        case .number(let measure):
            guard let own = measure.unit else { return }
            guard let unit, let wanted = UnitOfMeasure(unit) else {
                if own.isCommensurable(with: .one) { return convert(own, to: .one) }
                throw ExpressionError(.formulaUnits, "is a number with a unit: write the unit in `unit`", at: 0)
            }
            guard own.isCommensurable(with: wanted) else {
                throw ExpressionError(
                    .formulaUnits, "cannot be converted to \(unit): the two measure different quantities", at: 0)
            }
            if measure.role == .difference {
                guard !wanted.hasZero else {
                    throw ExpressionError(
                        .formulaUnits, "is a difference of temperatures: write `unit: K` or `unit: \"[degR]\"`", at: 0)
                }
                convert(own.asDifference, to: wanted.asDifference)
            } else {
                convert(own, to: wanted)
            }
        }
    }

    mutating func convert(_ unit: UnitOfMeasure, to other: UnitOfMeasure) {
        guard let told = unit.conversion(to: other), told.scale != 1 || told.offset != 0 else { return }
        let scaling = Scaling(scale: told.scale, offset: told.offset)
        program.append(.convert(scale: scaling.scale, offset: scaling.offset))
    }

    // MARK: Parts

    mutating func compile(_ expression: Expression) throws(ExpressionError) -> Kind {
        switch expression {
        case .number(let number, let unit):
            program.append(.constant(number))
            guard let unit else { return .number(.bare) }
            guard let measured = UnitOfMeasure(unit), !unit.isEmpty else {
                let meant = UCUM.meant(by: unit).map { ": write '\($0)'" } ?? ""
                throw ExpressionError(
                    .formulaUnknownUnit, "contains '\(unit)', which is not a UCUM unit\(meant)", at: 0)
            }
            return .number(Measure(measured, isLiteral: true))
        case .boolean(let value):
            program.append(.constant(value ? 1 : 0))
            return .boolean
        case .text(_, let at):
            throw ExpressionError(
                .formulaWrongType, "contains a text that is not compared with a point: write state == \"running\"",
                at: at)
        case .point(let device, let name, let at): return try point(Program.Input(device: device, point: name), at)
        case .unary(.not, let inner):
            try boolean(inner, 0)
            program.append(.unary(.not))
            return .boolean
        case .unary(.minus, let inner):
            let measure = try number(inner, 0)
            // -5 'Cel' is written so.
            if !measure.isLiteral { try proveSize(measure, 0) }
            program.append(.unary(.minus))
            return .number(measure)
        case .binary(let sign, let one, let other, let at): return try binary(sign, one, other, at)
        case .call(let function, let arguments, let at): return try call(function, arguments, at)
        }
    }

    private mutating func point(_ input: Program.Input, _ at: Int) throws(ExpressionError) -> Kind {
        let operand = try look(up: input, at)
        push(input)
        switch operand {
        case .number(let unit, let told):
            if let unit, let told { convert(told, to: unit) }
            return .number(Measure(unit))
        case .boolean: return .boolean
        case .text:
            throw ExpressionError(.formulaWrongType, "calculates with `\(input.point)`, which is a text", at: at)
        }
    }

    func look(up input: Program.Input, _ at: Int) throws(ExpressionError) -> Operand {
        if let operand = operand(input) { return operand }
        throw ExpressionError(.formulaUnknownPoint, Self.noPoint(input, of: names).message, at: at)
    }

    mutating func push(_ input: Program.Input) {
        if let known = program.inputs.firstIndex(of: input) { return program.append(.input(known)) }
        program.append(.input(program.inputs.count))
        program.inputs.append(input)
    }

    mutating func number(_ expression: Expression, _ at: Int) throws(ExpressionError) -> Measure {
        guard case .number(let measure) = try compile(expression) else {
            throw ExpressionError(.formulaWrongType, "calculates with a boolean", at: at)
        }
        return measure
    }

    mutating func boolean(_ expression: Expression, _ at: Int) throws(ExpressionError) {
        guard case .boolean = try compile(expression) else {
            throw ExpressionError(.formulaWrongType, "must have a condition here, for example `a > b`", at: at)
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
        var left = try number(one, at)
        var right = try number(other, at)
        defer { program.append(.binary(sign == .plus ? .plus : .minus)) }
        guard let unit = left.unit else { return right.unit == nil ? .bare : right.as(right.role) }
        guard let added = right.unit else { return left.as(left.role) }
        try proveKind(unit, added, sign.rawValue, at)
        guard unit.isTemperature else {
            convert(added, to: unit)
            return left.as(.plain)
        }
        // What is written beside a temperature is how much more or less, but for `100 'Cel' - t`.
        if right.isLiteral { right = right.as(.difference) }
        if left.isLiteral, sign == .plus || right.role == .difference { left = left.as(.difference) }
        switch (left.role, right.role) {
        case (.difference, .difference), (.temperature, .difference):
            convert(added.asDifference, to: unit.asDifference)
            return left.as(left.role)
        case (.temperature, _) where sign == .minus:
            convert(added, to: unit)
            return left.as(.difference)
        case (.difference, _) where sign == .plus:
            convert(added.asDifference, to: unit.asDifference)
            return Measure(unit.scaled(like: added))
        case (.difference, _):
            throw ExpressionError(.formulaUnits, "subtracts a temperature from a difference of two", at: at)
        default: throw ExpressionError(.formulaUnits, "adds two temperatures: write mean(a, b) for their mean", at: at)
        }
    }

    private func proveKind(
        _ unit: UnitOfMeasure, _ other: UnitOfMeasure, _ what: String, _ at: Int
    ) throws(ExpressionError) {
        guard unit.isCommensurable(with: other) else {
            throw ExpressionError(.formulaUnits, "combines different quantities by `\(what)`", at: at)
        }
    }

    /// Brings the number on top of the stack to the unit of the one below it, of which it is one more.
    mutating func bring(
        _ right: Measure, to left: Measure, _ what: String, _ at: Int
    ) throws(ExpressionError) -> Measure {
        guard let unit = left.unit else { return right.as(right.role) }
        guard let other = right.unit else { return left.as(left.role) }
        try proveKind(unit, other, what, at)
        let role = left.isLiteral ? right.role : left.role
        guard right.isLiteral || right.role == role else {
            throw ExpressionError(
                .formulaUnits, "combines a temperature and a difference of two temperatures by `\(what)`", at: at)
        }
        if role == .difference {
            convert(other.asDifference, to: unit.asDifference)
        } else {
            convert(other, to: unit)
        }
        return left.as(role)
    }

    /// Of a temperature on a scale there is no half, and no square.
    func proveSize(_ measure: Measure, _ at: Int) throws(ExpressionError) {
        guard let unit = measure.unit, unit.hasZero, measure.role == .temperature else { return }
        throw ExpressionError(
            .formulaUnits,
            "calculates with a temperature whose unit has its own zero: write number(t), number(t) + 273.15, or "
                + "mean(a, b)", at: at)
    }

    private mutating func product(
        _ sign: Expression.BinaryOperator, _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        let left = try number(one, at)
        try proveSize(left, at)
        let right = try number(other, at)
        try proveSize(right, at)
        program.append(.binary(sign == .times ? .times : .over))
        switch (left.unit, right.unit) {
        case (nil, nil): return .bare
        case (let unit?, nil): return .product(unit)
        case (nil, let unit?): return .product(sign == .times ? unit : UnitOfMeasure.one / unit)
        case (let unit?, let other?): return .product(sign == .times ? unit * other : unit / other)
        }
    }

    private mutating func power(
        _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        let left = try number(one, at)
        try proveSize(left, at)
        let right = try number(other, at)
        guard right.unit == nil else { throw ExpressionError(.formulaUnits, "has an exponent with a unit", at: at) }
        program.append(.binary(.power))
        guard let unit = left.unit else { return .bare }
        guard case .number(let exponent, nil) = other, let whole = Int(exactly: exponent), abs(whole) <= 8 else {
            throw ExpressionError(
                .formulaUnits, "must have a small whole number as the exponent of a value with a unit", at: at)
        }
        return .product(unit.power(whole))
    }

    private mutating func comparison(
        _ sign: Expression.BinaryOperator, _ one: Expression, _ other: Expression, _ at: Int
    ) throws(ExpressionError) -> Kind {
        if case .text(let text, _) = other { return try equality(sign, one, with: text, at) }
        let left = try compile(one)
        let right = try compile(other)
        switch (left, right) {
        case (.number(let left), .number(let right)): _ = try bring(right, to: left, sign.rawValue, at)
        case (.boolean, .boolean) where sign == .equal || sign == .different: break
        default: throw ExpressionError(.formulaWrongType, "compares a number with a boolean", at: at)
        }
        let signs: [Expression.BinaryOperator: Program.Binary] = [
            .less: .less, .atMost: .atMost, .more: .more, .atLeast: .atLeast, .equal: .equal, .different: .different,
        ]
        program.append(.binary(signs[sign] ?? .equal))
        return .boolean
    }
}
