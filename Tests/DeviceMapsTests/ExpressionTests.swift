// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import TestSupport
import Testing

@testable import DeviceMaps

@Suite("Formulas")
struct ExpressionTests {
    private static let units: [String: String] = [
        "p": "W", "q": "var", "u": "V", "i": "A", "t": "Cel", "t2": "[degF]", "k": "K", "bar1": "bar", "psi1": "[psi]",
        "depth": "m", "phi": "deg", "n": "", "rh": "%", "kw": "kW",
    ]

    private func compile(_ text: String, _ unit: String? = nil) throws(ExpressionError) -> Program {
        try ExpressionCompiler.compile(text, unit: unit, names: Self.units.keys.sorted()) { input in
            switch input.point {
            case "door": .boolean
            case "name": .text()
            default: Self.units[input.point].map { .number(unit: $0.isEmpty ? nil : UnitOfMeasure($0)) }
            }
        }
    }

    private func value(_ text: String, _ unit: String? = nil, _ numbers: [String: Double]) throws -> Double {
        let program = try compile(text, unit)
        let inputs = program.inputs.map { numbers[$0.point] ?? .nan }
        return inputs.withUnsafeBufferPointer { program.evaluate($0) }
    }

    @Test(
        "signs bind as everywhere",
        arguments: [
            ("n + 2 * 3", 7), ("(n + 2) * 3", 9), ("n + 10 - 4 - 3", 4), ("n + 2 ^ 3 ^ 2", 513), ("-n - 2 ^ 2", -5),
            ("n * 100 / 5 / 2", 10), ("-2 ^ 2 * n", -4), ("n - -1", 2), ("1.5e3 * n", 1_500), ("min(n, 3, -2)", -2),
            ("if(n > 0 and not (n >= 2), 5, 7)", 5), ("if(n > 2 or n == 1, 5, 7)", 5), ("max(n, 4) % 3", .nan),
            ("round(n * 2.5) + floor(2.9) + ceil(0.1) + abs(-4)", 10),
            ("sqrt(n * 16) + exp(0) + ln(n) + log10(n * 1000)", 8),
            ("atan2(n, n) / n", 0.785_398_163_397_448_3), ("if(not n > 2, 1, 0)", 1),
        ] as [(String, Double)])
    func signs(text: String, expected: Double) throws {
        guard !expected.isNaN else {
            #expect(throws: ExpressionError.self) { try compile(text) }
            return
        }
        #expect(try value(text, text.contains("atan2") ? "rad" : nil, ["n": 1]) == expected)
    }

    @Test(
        "what is put together is brought to one unit, and told in the one that is wanted",
        arguments: [
            ("sqrt(p*p + q*q)", "V.A", ["p": 3, "q": 4], 5), ("u * i", "kW", ["u": 230, "i": 10], 2.3),
            ("kw + p", "W", ["kw": 1, "p": 500], 1_500), ("p + kw", "kW", ["kw": 1, "p": 500], 1.5),
            ("t - t2", "K", ["t": 20, "t2": 50], 10), ("mean(t, t2)", "Cel", ["t": 20, "t2": 50], 15),
            ("mean(t2, t)", "Cel", ["t": 20, "t2": 50], 15),
            ("t + (t - t2)", "Cel", ["t": 20, "t2": 50], 30), ("(t - t2) + t", "[degF]", ["t": 20, "t2": 50], 86),
            ("k - t", "K", ["k": 300, "t": 20], 6.85), ("mean(k, t)", "Cel", ["k": 293.15, "t": 30], 25),
            ("t + 5", "Cel", ["t": 20], 25),
            ("bar1 - 14.503773773 'psi'", "mbar", ["bar1": 2], .nan),
            ("bar1 - 14.5037737730209 '[psi]'", "mbar", ["bar1": 2], 1_000),
            ("max(bar1, psi1)", "bar", ["bar1": 1, "psi1": 29.0075475], 2),
            ("p / u", "mA", ["p": 23, "u": 230], 100), ("sin(phi)", nil, ["phi": 30], 0.5),
            ("1 / u", "V-1", ["u": 4], 0.25),
            ("number(t) - (100 - number(rh)) / 5", "Cel", ["t": 20, "rh": 50], 10),
            ("u ^ 2 / 10 'Ohm'", "W", ["u": 10], 10),
            ("rh", nil, ["rh": 50], 0.5), ("t + 2 'K'", "Cel", ["t": 20], 22),
            ("t2 + 5 'Cel'", "[degF]", ["t2": 50], 59),
            ("t - 2 'K'", "Cel", ["t": 20], 18), ("(t - t2) + 0.5 'K'", "K", ["t": 20, "t2": 50], 10.5),
            ("100 'Cel' - t", "K", ["t": 20], 80), ("max(t - t2, 0 'K')", "K", ["t": 20, "t2": 77], 0),
            ("max(t - t2, 3 'Cel')", "K", ["t": 20, "t2": 67], 3), ("max(t, 300 'K')", "Cel", ["t": 20], 26.85),
            ("p / (t - t2)", "W/K", ["p": 50, "t": 20, "t2": 50], 5),
            ("(t - t2) * rh", "K", ["t": 20, "t2": 50, "rh": 50], 5),
            ("p * number(t)", "W", ["p": 2, "t": 20], 40),
            ("p - q - kw", "kV.A", ["p": 5_000, "q": 1_000, "kw": 1], 3),
            ("if(t > -5 'Cel', t, t2)", "Cel", ["t": 20, "t2": 50], 20), ("sqrt(k * k)", "K", ["k": 300], 300),
            ("if(rh == 0 '%', 0, 1 / rh)", "1", ["rh": 0], 0),
        ] as [(String, String?, [String: Double], Double)])
    func units(text: String, unit: String?, numbers: [String: Double], expected: Double) throws {
        guard !expected.isNaN else {
            #expect(throws: ExpressionError.self) { try compile(text, unit) }
            return
        }
        let found = try value(text, unit, numbers)
        #expect(abs(found - expected) < 1e-6 * max(1, abs(expected)), "\(found)")
    }

    @Test("comparisons are of values, and of differences where one is one")
    func comparisons() throws {
        #expect(try value("bar1 > psi1", nil, ["bar1": 1, "psi1": 14.4]) == 1)
        #expect(try value("bar1 > psi1", nil, ["bar1": 1, "psi1": 14.6]) == 0)
        #expect(try value("t - t2 > 5 'Cel'", nil, ["t": 20, "t2": 50]) == 1)
        #expect(try value("t - t2 > 9 '[degF]'", nil, ["t": 20, "t2": 60.9]) == 0)
        #expect(try value("t > 100 and not door", nil, ["t": 101, "door": 0]) == 1)
        #expect(try compile("t > 100").isBoolean)
    }

    @Test(
        "what cannot be computed is no number, whatever is made of it",
        arguments: [
            "min(100, 100 * n / m)", "max(0, n / m)", "max(n / m, 0)", "sqrt(-1 - n) > 5", "n / m != 3",
            "not (n / m > 1)",
            "n / m > 1 and n < 5", "n != n or n / m > 1", "if(n / m > 1, 2, 3)", "if(n == n, n / m, 5)",
            "n * 1e300 * 1e300 > 5",
        ])
    func noNumber(text: String) throws {
        let program = try ExpressionCompiler.compile(text, unit: nil, names: []) { _ in .number(unit: nil) }
        let inputs = program.inputs.map { $0.point == "m" ? 0.0 : 1 }
        #expect(inputs.withUnsafeBufferPointer(program.evaluate).isNaN)
    }

    @Test(
        "what cannot be computed does not matter where the other side says it all",
        arguments: [
            ("n / m > 1 and n > 5", 0.0), ("n > 5 and n / m > 1", 0), ("n == n or n / m > 1", 1),
            ("n / m > 1 or n == n", 1), ("not (n / m > 1 or n == n)", 0),
        ])
    func decided(text: String, expected: Double) throws {
        let program = try ExpressionCompiler.compile(text, unit: nil, names: []) { _ in .number(unit: nil) }
        let inputs = program.inputs.map { $0.point == "m" ? 0.0 : 1 }
        #expect(inputs.withUnsafeBufferPointer(program.evaluate) == expected)
    }

    @Test(
        "each mistake is found, with its code and place",
        arguments: [
            ("bar1 > depth", nil, .formulaUnits, 5), ("u + i", "V", .formulaUnits, 2),
            ("u * i", "A", .formulaUnits, 0),
            ("u * i", nil, .formulaUnits, 0), ("pq + 1", nil, .formulaUnknownPoint, 0),
            ("sqrt(u)", nil, .formulaUnits, 0),
            ("ln(u)", nil, .formulaUnits, 0), ("u ^ n", nil, .formulaUnits, 2), ("name + 1", nil, .formulaWrongType, 0),
            ("door + 1", nil, .formulaWrongType, 5), ("p and q", nil, .formulaWrongType, 2),
            ("sqrt(p, q)", nil, .formulaArguments, 0),
            ("sqr(p)", nil, .formulaUnknownFunction, 0), ("(p", nil, .formulaSyntax, 2),
            ("p q", nil, .formulaSyntax, 2),
            ("", nil, .formulaSyntax, 0), ("5 + 3", nil, .formulaConstant, 0), ("p +", nil, .formulaSyntax, 3),
            ("p > 5 'wat'", nil, .formulaUnknownUnit, 0), ("p # q", nil, .formulaSyntax, 2),
            ("# q", nil, .formulaSyntax, 0),
            ("1..2 * n", nil, .formulaSyntax, 0), ("t > 5", "K", .formulaUnits, 0),
            ("@meter", nil, .formulaSyntax, 0),
            ("@meter-1.power", "W", .formulaUnknownPoint, 0), ("if(p, 1, 2)", nil, .formulaWrongType, 0),
            ("t * 2", "Cel", .formulaUnits, 2), ("u * i * 273.15 'K' / t", "W", .formulaUnits, 19),
            ("t * rh", "Cel", .formulaUnits, 2),
            ("(t + t2) / 2", "Cel", .formulaUnits, 3), ("0.5 * t + 0.5 * t2", "Cel", .formulaUnits, 4),
            ("-t", "Cel", .formulaUnits, 0),
            ("t - t2", "Cel", .formulaUnits, 0), ("max(t - t2, t)", "Cel", .formulaUnits, 0),
            ("t - t2 > t", nil, .formulaUnits, 7), ("(t - t2) - t", "K", .formulaUnits, 9),
            ("abs(t)", "Cel", .formulaUnits, 0),
            ("t + k", "Cel", .formulaUnits, 2),
        ] as [(String, String?, Code, Int)])
    func mistakes(text: String, unit: String?, code: Code, offset: Int) {
        do throws(ExpressionError) {
            _ = try compile(text, unit)
            Issue.record("\(text) is taken")
        } catch {
            #expect(error.code == code, "\(error.message)")
            #expect(error.offset == offset, "\(error.message) at \(error.offset)")
        }
    }

    @Test("endless and odd formulas are mistakes, and no trap")
    func bounded() {
        for text in [
            String(repeating: "(", count: 900), String(repeating: "-", count: 900) + "n",
            String(repeating: "n+", count: 499) + "n",
            String(repeating: "not ", count: 200) + "door", String(repeating: "n^", count: 300) + "n", "n 'm", "5 '[",
            "5 '", "@", "@-.", ".",
        ] {
            _ = try? compile(text)
        }
        #expect(throws: ExpressionError.self) { try compile(String(repeating: "n+", count: 600) + "n") }
        var random = SeededGenerator()
        print("HEADGATE_SEED=\(random.seed)")
        let parts = [
            "n", "p", "(", ")", "+", "-", "*", "/", "^", "5", "'V'", "if(", ",", "and", "not", "<", "==", "@a.b",
            "min(", " ", "é",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0..<12, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }.joined()
            if let program = try? compile(text) {
                _ = [Double](repeating: 1, count: program.inputs.count).withUnsafeBufferPointer { program.evaluate($0) }
            }
        }
    }
}
