// Headgate
// SPDX-License-Identifier: Apache-2.0

// What rules can ask of a point beside its last number.

extension ExpressionCompiler {
    private static let longestRate = 7 * 86_400.0

    /// `rate(pressure, 60 's')`, in the point's unit a second.
    mutating func rate(
        _ expression: Expression, over time: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        guard isRule else { throw ExpressionError("has `rate`, which is for the rules of a configuration", at: at) }
        guard case .point(let device, let name, let place) = expression else {
            throw ExpressionError("needs a point in `rate`, like rate(pressure, 60 's')", at: at)
        }
        let second = UnitOfMeasure("s") ?? .one
        guard case .number(let number, let unit?) = time, let written = UnitOfMeasure(unit),
            let told = written.conversion(to: second), (0.1...Self.longestRate).contains(number * told.scale)
        else { throw ExpressionError("needs a time in `rate`, like rate(pressure, 60 's')", at: at) }
        let over = Int64(number * told.scale * 1_000_000)
        let input = Program.Input(device: device, point: name, look: .rate(over: over))
        guard case .number(let unit, let told) = try look(up: input, place) else {
            throw ExpressionError("has the rate of `\(name)`, which is no number", at: place)
        }
        push(input)
        guard let unit else { return .bare }
        if let told { convert(told.asDifference, to: unit.asDifference) }
        return .product(unit.asDifference / second)
    }

    /// `state == "running"`.
    mutating func equality(
        _ sign: Expression.BinaryOperator, _ expression: Expression, with text: String, _ at: Int
    ) throws(ExpressionError) -> Kind {
        guard isRule else { throw ExpressionError("compares texts, which is for the rules of a configuration", at: at) }
        guard sign == .equal || sign == .different, case .point(let device, let name, let place) = expression else {
            throw ExpressionError("compares a text otherwise than as state == \"running\" or state != \"off\"", at: at)
        }
        let input = Program.Input(device: device, point: name, look: .equals(text))
        guard case .text(let labels) = try look(up: input, place) else {
            throw ExpressionError("compares `\(name)`, which is no text, with one", at: place)
        }
        if !labels.isEmpty, !labels.contains(text) {
            throw ExpressionError("has \"\(text)\": `\(name)` is one of \(labels.joined(separator: ", "))", at: at)
        }
        push(input)
        if sign == .different { program.append(.unary(.not)) }
        return .boolean
    }
}
