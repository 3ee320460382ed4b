// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import TestSupport
import Testing

@Suite("Bounds of formulas")
struct BoundsTests {
    private static let labels = ["open", "shut"]

    private func program(_ text: String) throws -> Program {
        try ExpressionCompiler.compile(text, unit: nil, names: ["a", "b", "n", "on", "state"], isRule: true) { input in
            switch input.point {
            case "a", "b", "n": .number(unit: nil)
            case "on": .boolean
            case "state": .text(labels: Self.labels)
            default: nil
            }
        }
    }

    /// `a` lies from 0 to 300, `b` from −10 to 10; `n` is a whole number from 0 to 65,535.
    private func domain(_ input: Program.Input) -> Program.Domain {
        var domain = Program.Domain()
        switch input.point {
        case "a": domain.bounds = 0...300
        case "b": domain.bounds = -10...10
        case "n": (domain.bounds, domain.isWhole) = (0...65_535, true)
        case "on": domain = .truth
        default: domain.labels = Self.labels
        }
        return domain
    }

    private func canHold(_ text: String) throws -> Bool { try program(text).canHold(domain) }

    @Test(
        "a condition that no values within the ranges make true is known",
        arguments: [
            "a > 300", "a > 400", "a < 0", "a + b > 310", "a > 8 and a < 5", "a == 301", "a * b > 3000", "abs(b) > 11",
            "not (a <= 300)", "max(a, b) > 300", "on and a > 300", "a > 300 or b > 10", "if(on, b, a) > 300",
            "a - a > 301", "b / 2 > 5", "round(b) > 10", "on and not on", "a > 200 and a + b < 190 - 1",
            "a >= 5 and a < 5", "n > 3 and n < 4", "n == 3.5", "n > 65535", "n < 0",
            "state == \"open\" and state == \"shut\"", "state != \"open\" and state != \"shut\"",
            "quality(a) == \"bad\" and a > 5", "quality(a) != \"good\" and rate(a, 10 's') > 5",
            "quality(a) == \"bad\" and quality(a) == \"absent\"", "quality(on) == \"bad\" and not on",
            "reason(a) == \"spike\" and reason(a) == \"stuck\"", "if(quality(a) == \"bad\", a > 5, a > 300)",
        ])
    func never(_ text: String) throws {
        #expect(try !canHold(text))
    }

    @Test(
        "a condition that some values make true is not refused",
        arguments: [
            "a >= 300", "a <= 0", "a + b >= 310", "a > 5 and a < 8", "a == 300", "a * b >= 3000", "sqrt(a) > 17",
            "quality(a) == \"out_of_range\"", "a > 300 or quality(a) == \"out_of_range\"", "a / b > 1000",
            "rate(a, 10 's') > 5", "not on", "exp(b) > 20000", "b ^ 2 > 99", "a != 300", "a > 5 and a <= 5 + b",
        ])
    func possible(_ text: String) throws {
        #expect(try canHold(text), "\(text)")
    }

    @Test("that one condition never holds while another does not is known")
    func whileNot() throws {
        func canEnd(_ until: String, _ when: String) throws -> Bool {
            try program(until).canHold(whileNot: try program(when), domain)
        }
        for (until, when) in [
            ("a > 5", "a > 5"), ("a > 8", "a > 5"), ("on", "on or a > 5"), ("state == \"open\"", "state != \"shut\""),
            ("quality(a) == \"bad\"", "quality(a) != \"good\""), ("a > b", "a > b"),
        ] {
            #expect(try !canEnd(until, when), "\(until) while not \(when)")
        }
        for (until, when) in [
            ("a < 5", "a > 5"), ("a > 5", "a > 8"), ("on", "on and a > 5"), ("b > 5", "a > 5"),
            ("quality(a) == \"bad\"", "a > 5"), ("state == \"open\"", "state == \"shut\""),
        ] {
            #expect(try canEnd(until, when), "\(until) while not \(when)")
        }
    }

    @Test("whatever values make a random formula true, it is not refused")
    func neverTooNarrow() throws {
        var random = SeededGenerator()
        var (holding, refused) = (0, 0)
        for _ in 0..<2_000 {
            let text = RandomFormula.condition(depth: 3, &random)
            guard let program = try? program(text) else { continue }
            let bounds = program.inputs.map { input -> ClosedRange<Double> in
                input.point == "a" ? 0...300 : input.point == "b" ? -10...10 : 0...1
            }
            let canHold = program.canHold(domain)
            if !canHold { refused += 1 }
            for _ in 0..<200 {
                let values = bounds.map { bounds -> Double in
                    if bounds == 0...1 { return Bool.random(using: &random) ? 1 : 0 }
                    // The ends and whole numbers, at which comparisons turn, come often.
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: return Bool.random(using: &random) ? bounds.lowerBound : bounds.upperBound
                    case 1: return Double.random(in: bounds, using: &random)
                    default: return Double.random(in: bounds, using: &random).rounded()
                    }
                }
                let isTrue = values.withUnsafeBufferPointer { program.evaluate($0) } == 1
                if isTrue {
                    holding += 1
                    #expect(canHold, "\(text) holds for \(values); HEADGATE_SEED=\(random.seed)")
                    break
                }
            }
        }
        // Or nothing was tried.
        #expect(holding > 200 && refused > 20, "\(holding) held, \(refused) refused")
    }
}

/// Formulas over two numbers and a truth.
private enum RandomFormula {
    static func condition(depth: Int, _ random: inout SeededGenerator) -> String {
        guard depth > 0 else { return Bool.random(using: &random) ? "on" : "not on" }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return "(\(condition(depth: depth - 1, &random)) and \(condition(depth: depth - 1, &random)))"
        case 1: return "(\(condition(depth: depth - 1, &random)) or \(condition(depth: depth - 1, &random)))"
        case 2: return "not (\(condition(depth: depth - 1, &random)))"
        default:
            let sign = [">", ">=", "<", "<=", "==", "!="].randomElement(using: &random) ?? ">"
            return "\(number(depth: depth - 1, &random)) \(sign) \(number(depth: depth - 1, &random))"
        }
    }

    private static func number(depth: Int, _ random: inout SeededGenerator) -> String {
        guard depth > 0 else {
            return ["a", "b", "\(Int.random(in: -20...320, using: &random))"].randomElement(using: &random) ?? "a"
        }
        let one = number(depth: depth - 1, &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return "abs(\(one))"
        case 1: return "round(\(one))"
        case 2: return "min(\(one), \(number(depth: depth - 1, &random)))"
        case 3: return "sqrt(\(one))"
        default:
            let sign = ["+", "-", "*", "/"].randomElement(using: &random) ?? "+"
            return "(\(one) \(sign) \(number(depth: depth - 1, &random)))"
        }
    }
}
