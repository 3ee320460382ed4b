// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import YAMLText

// What rules can ask of a point beside its last number.

extension ExpressionCompiler {
    private static let longestRate = 7 * 86_400.0

    /// `rate(pressure, 60 's')`, in the point's unit a second.
    mutating func rate(
        _ expression: Expression, over time: Expression, _ at: Int
    ) throws(ExpressionError) -> Measure {
        guard isRule else { throw ExpressionError(.formulaOnlyInRules, "uses `rate`, which is only for rules", at: at) }
        guard case .point(let device, let name, let place) = expression else {
            throw ExpressionError(
                .formulaArguments, "must name a point in `rate`, for example rate(pressure, 60 's')", at: at)
        }
        let second = UnitOfMeasure("s") ?? .one
        guard case .number(let number, let unit?) = time, let written = UnitOfMeasure(unit),
            let told = written.conversion(to: second), (0.1...Self.longestRate).contains(number * told.scale)
        else {
            throw ExpressionError(
                .formulaArguments, "must name a time in `rate`, for example rate(pressure, 60 's')", at: at)
        }
        let over = Int64(number * told.scale * 1_000_000)
        let input = Program.Input(device: device, point: name, look: .rate(over: over))
        guard case .number(let unit, let told) = try look(up: input, place) else {
            throw ExpressionError(.formulaWrongType, "uses the rate of `\(name)`, which is not a number", at: place)
        }
        push(input)
        guard let unit else { return .bare }
        if let told { convert(told.asDifference, to: unit.asDifference) }
        return .product(unit.asDifference / second)
    }

    /// `cusum(vibration)`, `cusum(vibration, 1000, 100000)`: a number without a unit, 1 at the limit.
    mutating func change(
        _ detector: Program.Input.Detector, _ arguments: [Expression], _ at: Int
    ) throws(ExpressionError) -> Measure {
        let name = detector.rawValue
        guard isRule else {
            throw ExpressionError(.formulaOnlyInRules, "uses `\(name)`, which is only for rules", at: at)
        }
        guard case .point(let device, let point, let place) = arguments[0] else {
            throw ExpressionError(
                .formulaArguments, "must name a point in `\(name)`, for example \(name)(vibration, 1000, 100000)",
                at: at)
        }
        let learn = try count(arguments, 1, in: 100...1_000_000, or: 1_000, "readings to learn from", at)
        let per = try count(arguments, 2, in: 100...1_000_000_000, or: 100_000, "readings a false alarm", at)
        let input = Program.Input(
            device: device, point: point, look: .change(detector, learn: learn, per: per))
        guard case .number = try look(up: input, place) else {
            throw ExpressionError(.formulaWrongType, "uses the \(name) of `\(point)`, which is not a number", at: place)
        }
        push(input)
        return Measure(.one)
    }

    /// - Parameter usual: where it is left out.
    private func count(
        _ arguments: [Expression], _ place: Int, in range: ClosedRange<Int>, or usual: Int, _ what: String, _ at: Int
    ) throws(ExpressionError) -> Int {
        guard arguments.indices.contains(place) else { return usual }
        guard case .number(let number, nil) = arguments[place], let count = Int(exactly: number), range.contains(count)
        else {
            throw ExpressionError(
                .formulaArguments, "must have a number of \(what) from \(range.lowerBound) to \(range.upperBound)",
                at: at)
        }
        return count
    }

    /// `state == "running"`.
    mutating func equality(
        _ sign: Expression.BinaryOperator, _ expression: Expression, with text: String, _ at: Int
    ) throws(ExpressionError) -> Kind {
        guard isRule else {
            throw ExpressionError(.formulaOnlyInRules, "compares texts, which is only for rules", at: at)
        }
        if case .call(let function, let arguments, let place) = expression, let look = try state(function, text, place)
        {
            return try equality(sign, look, of: arguments[0], at)
        }
        guard sign == .equal || sign == .different, case .point(let device, let name, let place) = expression else {
            throw ExpressionError(
                .formulaWrongType,
                "compares a text with something else: write state == \"running\" or state != \"off\"", at: at)
        }
        let input = Program.Input(device: device, point: name, look: .equals(text))
        guard case .text(let labels) = try look(up: input, place) else {
            throw ExpressionError(.formulaWrongType, "compares `\(name)`, which is not a text, with a text", at: place)
        }
        if !labels.isEmpty, !labels.contains(text) {
            throw ExpressionError(
                .formulaUnknownText, "contains \"\(text)\": `\(name)` is one of \(labels.joined(separator: ", "))",
                at: at)
        }
        push(input)
        if sign == .different { program.append(.unary(.not)) }
        return .boolean
    }

    /// What `quality(…) == "…"` and `reason(…) == "…"` look at; nil for other functions.
    private func state(
        _ function: Expression.Function, _ text: String, _ at: Int
    ) throws(ExpressionError) -> Program.Input.Look? {
        switch function {
        case .quality:
            if let quality = Quality.allCases.first(where: { "\($0.name)" == text }) { return .quality(quality) }
            let all = Quality.allCases.map { "\($0.name)" }
            throw ExpressionError(
                .formulaUnknownText, "contains \"\(text)\": a quality is one of \(all.joined(separator: ", "))", at: at)
        case .reason:
            if let reason = Reason.allCases.first(where: { "\($0.name)" == text }) { return .reason(reason) }
            let nearest = Spelling.nearest(to: text, among: Reason.allCases.map { "\($0.name)" })
            let hint = nearest.map { ": did you mean \"\($0)\"?" } ?? ""
            throw ExpressionError(.formulaUnknownText, "contains \"\(text)\", which is not a reason\(hint)", at: at)
        default: return nil
        }
    }

    private mutating func equality(
        _ sign: Expression.BinaryOperator, _ look: Program.Input.Look, of expression: Expression, _ at: Int
    ) throws(ExpressionError) -> Kind {
        guard sign == .equal || sign == .different, case .point(let device, let name, let place) = expression else {
            throw ExpressionError(
                .formulaWrongType,
                "must compare a point by == or !=, for example quality(pressure) == \"out_of_range\"", at: at)
        }
        let input = Program.Input(device: device, point: name, look: look)
        _ = try self.look(up: input, place)
        push(input)
        if sign == .different { program.append(.unary(.not)) }
        return .boolean
    }
}
