// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Pipeline

/// One of the `rules` of a configuration, as it is written: which points it is about is known device by device.
public struct AlarmRule: Sendable {
    public enum Condition: Sendable {
        case when(String)
        case sequence([String])
        case missing(String)

        /// The key that it is written under.
        var key: String {
            switch self {
            case .when: "when"
            case .sequence: "sequence"
            case .missing: "missing"
            }
        }

        var formulas: [String] {
            switch self {
            case .when(let text), .missing(let text): [text]
            case .sequence(let texts): texts
            }
        }
    }

    /// What is known of a point that a formula names.
    struct KnownPoint {
        var operand: ExpressionCompiler.Operand
        /// How often it is read, in microseconds, where it is asked for.
        var every: Int64?
        /// What its good values can be, in the unit that they are sent in, where a map says so.
        var domain = Program.Domain()
        /// The shortest interval at which it came in earlier runs, in microseconds, and of which device, where it is not polled.
        var learned: (every: Int64, device: String)?

        init(_ operand: ExpressionCompiler.Operand, every: Int64? = nil) {
            self.operand = operand
            self.every = every
        }

        init(_ point: Point) {
            self.init(point.operand, every: point.every)
        }
    }

    /// A formula of a rule that makes no sense for a device.
    struct Mistake: Error {
        var key: String
        var formula: String
        var error: ExpressionError

        var code: Code { error.code }
        var message: String { "\(error.message), at character \(error.offset + 1) of `\(formula)`" }
    }

    public var name: String
    public var selection = Selection()
    public var condition: Condition
    public var until: String?
    public var holdFor: Int64 = 0
    public var within: Int64?
    public var cooldown: Int64 = 0
    public var repeats: Int64?
    public var priority = Alarm.Priority.medium
    public var text = ""
    /// The points that it names, of devices and of its own one.
    private(set) var points: [Program.Input] = []
    /// Those of the points that are of its own device.
    private(set) var ownPoints: Set<String> = []

    private static let longestSequence: Int64 = 60_000_000

    /// Looks for the points in the formulas.
    mutating func findPoints() throws(Mistake) {
        for formula in condition.formulas {
            points += try Self.attempt(condition.key, formula) { () throws(ExpressionError) in
                if case .missing = condition { return [try ExpressionCompiler.point(formula)] }
                return try ExpressionCompiler.points(of: formula)
            }
        }
        if let until {
            points += try Self.attempt("until", until) { () throws(ExpressionError) in
                try ExpressionCompiler.points(of: until)
            }
        }
        ownPoints = Set(points.filter { $0.device == nil }.map(\.point))
    }

    /// For a device.
    /// - Parameters:
    ///   - names: of its points.
    ///   - point: nil where there is none.
    func rule(names: [String], point: @escaping (Program.Input) -> KnownPoint?) throws(Mistake) -> Rule {
        func program(_ key: String, _ formula: String) throws(Mistake) -> Program {
            try Self.attempt(key, formula) { () throws(ExpressionError) in
                try ExpressionCompiler.compile(formula, unit: nil, names: names, isRule: true) { point($0)?.operand }
            }
        }
        var programs: [Program] = []
        let compiled: Rule.Condition
        switch condition {
        case .when(let formula):
            programs = [try program("when", formula)]
            compiled = .holds(programs[0])
        case .sequence(let formulas):
            for formula in formulas { programs.append(try program("sequence", formula)) }
            compiled = .sequence(programs, within: within ?? Self.longestSequence)
        case .missing(let formula):
            let input = try Self.attempt("missing", formula) { () throws(ExpressionError) in
                let input = try ExpressionCompiler.point(formula)
                guard point(input) != nil else { throw ExpressionCompiler.noPoint(input, of: names) }
                return input
            }
            compiled = .missing(input)
        }
        let until = try until.map { formula throws(Mistake) in try program("until", formula) }
        var rule = Rule(name: name, condition: compiled, until: until)
        (rule.holdFor, rule.cooldown, rule.repeats) = (holdFor, cooldown, repeats)
        (rule.priority, rule.text) = (priority, text)
        if case .when = condition { rule.within = within }
        rule.intervals = rule.inputs.joined().map { point($0)?.every }
        return rule
    }

    private static func attempt<Result>(
        _ key: String, _ formula: String, _ body: () throws(ExpressionError) -> Result
    ) throws(Mistake) -> Result {
        do {
            return try body()
        } catch {
            throw Mistake(key: key, formula: formula, error: error)
        }
    }
}
