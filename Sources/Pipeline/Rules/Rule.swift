// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What readings are watched for, and how it is told.
public struct Rule: Sendable, Equatable {
    public enum Condition: Sendable, Equatable {
        /// A formula says yes.
        case holds(Program)
        /// Formulas say yes one after the other, the last at most so many microseconds after the first.
        case sequence([Program], within: Int64)
        /// No good reading comes.
        case missing(Program.Input)
    }

    public var name: String
    public var condition: Condition
    /// Ends the alarm where it says yes; nil where the condition does that by not holding any more.
    public var until: Program?
    /// So long it has to hold before it is an alarm, in microseconds.
    public var holdFor: Int64 = 0
    /// A reading does not count any more so long after it, in microseconds; nil where that follows from how often each point
    /// is read.
    public var within: Int64?
    /// How often each of `inputs`, one after the other, is polled, in microseconds; nil for what is sent when its device
    /// likes, whose usual interval is learnt.
    public var intervals: [Int64?] = []
    /// So long after its end it is not told again, in microseconds.
    public var cooldown: Int64 = 0
    /// So often it is told that it goes on, in microseconds; nil for not.
    public var repeats: Int64?
    public var priority = Alarm.Priority.medium
    public var text = ""

    public init(name: String, condition: Condition, until: Program? = nil) {
        self.name = name
        self.condition = condition
        self.until = until
    }

    /// All it looks at, by formula: those of the condition, then `until`.
    public var inputs: [[Program.Input]] {
        let steps: [[Program.Input]] =
            switch condition {
            case .holds(let program): [program.inputs]
            case .sequence(let programs, _): programs.map(\.inputs)
            case .missing(let input): [[input]]
            }
        return steps + (until.map { [$0.inputs] } ?? [])
    }

    /// Whether the system's clock alone can begin it, or make it be told.
    var needsClock: Bool {
        if case .missing = condition { return true }
        return repeats != nil
    }

    var hasPolledInput: Bool { intervals.contains { $0 != nil } }

    /// How long a reading of each of `inputs` counts, in microseconds; 0 where that follows from the usual interval, which is
    /// learnt.
    public var validities: [Int64] {
        inputs.joined().enumerated().map { place, _ in
            if let within { return within }
            guard let interval = intervals.indices.contains(place) ? intervals[place] : nil else { return 0 }
            return Self.validity(interval: interval)
        }
    }

    /// How long a reading counts where nobody says so: a minute, or three times as long as it usually takes to come again.
    public static func validity(interval: Int64) -> Int64 {
        let (whole, isTooLong) = interval.multipliedReportingOverflow(by: 3)
        return max(60_000_000, isTooLong ? .max : whole)
    }
}

/// A rule as watches have it: one for all devices for which it says the same.
final class SharedRule: Sendable {
    /// The condition without what it is made of.
    enum Kind {
        case holds
        case sequence(within: Int64)
        case missing
    }

    struct Formula {
        let program: Program
        /// The places of its inputs among those of the rule.
        let inputs: Range<Int>
    }

    // What each look needs comes first.
    let kind: Kind
    let hasUntil: Bool
    /// Those of the condition, then `until`.
    let formulas: [Formula]
    /// How long a reading counts, in microseconds; 0 where that follows from how often its point comes.
    let within: Int64
    let inputCount: Int
    let rule: Rule
    /// What it is about, in a word that is another where that is.
    let meaning: String

    init(_ rule: Rule) {
        self.rule = rule
        within = rule.within ?? 0
        meaning = "\(rule.condition) \(String(describing: rule.until))"
        hasUntil = rule.until != nil
        let steps: [Program]
        switch rule.condition {
        case .holds(let program): (kind, steps) = (.holds, [program])
        case .sequence(let programs, let within): (kind, steps) = (.sequence(within: within), programs)
        case .missing: (kind, steps) = (.missing, [])
        }
        var first = 0
        formulas = (steps + (rule.until.map { [$0] } ?? [])).map { program in
            defer { first += program.inputs.count }
            return Formula(program: program, inputs: first..<first + program.inputs.count)
        }
        inputCount = rule.inputs.joined().count
    }
}
