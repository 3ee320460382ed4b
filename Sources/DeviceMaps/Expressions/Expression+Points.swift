// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

extension Expression {
    /// Each point that it names, once.
    var points: [Program.Input] {
        var found: [Program.Input] = []
        collect(&found)
        return found
    }

    private func collect(_ found: inout [Program.Input]) {
        switch self {
        case .number, .boolean, .text: break
        case .point(let device, let name, _):
            let input = Program.Input(device: device, point: name)
            if !found.contains(input) { found.append(input) }
        case .unary(_, let inner): inner.collect(&found)
        case .binary(_, let one, let other, _):
            one.collect(&found)
            other.collect(&found)
        case .call(_, let arguments, _): for argument in arguments { argument.collect(&found) }
        }
    }
}

extension ExpressionCompiler {
    /// The points that a formula names, whether there are any such or not.
    public static func points(of text: String) throws(ExpressionError) -> [Program.Input] {
        try ExpressionParser.parse(text).points
    }

    /// A formula that is a point and nothing else: `pressure` or `@pump-1.pressure`.
    public static func point(_ text: String) throws(ExpressionError) -> Program.Input {
        guard case .point(let device, let name, _) = try ExpressionParser.parse(text) else {
            throw ExpressionError(.formulaSyntax, "must be the name of one point", at: 0)
        }
        return Program.Input(device: device, point: name)
    }

    /// What a formula says where there is no such point.
    /// - Parameter names: of the points there are; those of other devices as `@DEVICE.POINT`.
    public static func noPoint(_ input: Program.Input, of names: [String]) -> ExpressionError {
        let whole = input.device.map { "@\($0).\(input.point)" } ?? input.point
        let nearest = Spelling.nearest(to: whole, among: names.filter { $0.hasPrefix("@") == (input.device != nil) })
        return ExpressionError(
            .formulaUnknownPoint, "uses an unknown point `\(whole)`" + (nearest.map { ": did you mean \($0)?" } ?? ""),
            at: 0)
    }
}
