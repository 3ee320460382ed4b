// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Pipeline
import YAMLText

/// The `rules` of a configuration: what is watched for, and proven for each device that it is meant for.
struct RuleKeys {
    private static let fix = "write when: pressure > 8 'bar', or sequence: […], or missing: pressure"
    private static let priorities: KeyValuePairs<String, Alarm.Priority> = [
        "high": .high, "medium": .medium, "low": .low,
    ]
    private static let mostSteps = 8

    let devices: [Configuration.ConfiguredDevice]
    /// Whether none is missing for a mistake of its own.
    let areAll: Bool
    /// As formulas name the points of other devices.
    private let elsewhere: [String]
    /// What earlier runs have learnt; nil where rules are not compared with it.
    private let learned: IntervalFile?

    init(devices: [Configuration.ConfiguredDevice], areAll: Bool, learned: IntervalFile?) {
        self.devices = devices
        self.areAll = areAll
        self.learned = learned
        elsewhere = devices.namesOfPoints
    }

    func rules(_ value: YAMLValue) -> [AlarmRule] {
        (value.mapping()?.all() ?? []).compactMap { key, value in
            guard let name = ConfigurationFile.name(key), let mapping = value.mapping() else { return nil }
            let written = ["when", "sequence", "missing", "until"].reduce(into: [:]) { $0[$1] = mapping.take($1) }
            let rule = self.rule(name, mapping, written)
            mapping.finish()
            guard var rule else { return nil }
            prove(&rule, key, written)
            return rule
        }
    }

    private func rule(_ name: String, _ mapping: YAMLMapping, _ written: [String: YAMLValue]) -> AlarmRule? {
        let conditions = [
            written["when"].flatMap { $0.string() }.map(AlarmRule.Condition.when),
            written["sequence"].flatMap(steps).map(AlarmRule.Condition.sequence),
            written["missing"].flatMap { $0.string() }.map(AlarmRule.Condition.missing),
        ].compactMap(\.self)
        let selection = Selection(mapping, hasPoints: false)
        let (holds, within) = (mapping.take("for"), mapping.take("within"))
        let priority = mapping.take("priority")?.word(Self.priorities)
        let cooldown = mapping.take("cooldown")?.duration(atLeast: 0)
        let repeats = mapping.take("repeat")?.duration(atLeast: 1_000_000)
        let text = mapping.take("text")?.string()
        guard let condition = conditions.first, conditions.count == 1 else {
            if written["when"] == nil, written["sequence"] == nil, written["missing"] == nil {
                mapping.problem(
                    .ruleWithoutCondition, "must have exactly one of `when`, `missing` and `sequence`", fix: Self.fix)
            } else if conditions.count > 1 {
                mapping.problem(
                    .ruleWithoutCondition, "must have exactly one of `when`, `missing` and `sequence`",
                    fix: "write a rule for each")
            }
            return nil
        }
        var rule = AlarmRule(name: name, condition: condition)
        rule.selection = selection
        rule.until = written["until"]?.string()
        rule.holdFor = holds?.duration(atLeast: written["missing"] == nil ? 0 : 1) ?? 0
        rule.within = within?.duration(atLeast: 1_000)
        (rule.cooldown, rule.repeats) = (cooldown ?? 0, repeats)
        (rule.priority, rule.text) = (priority ?? .medium, text ?? "")
        proveTimes(rule, mapping, holds, within, written["until"])
        return rule
    }

    private func steps(_ value: YAMLValue) -> [String]? {
        let steps = (value.sequence() ?? []).compactMap { $0.string() }
        if (2...Self.mostSteps).contains(steps.count) { return steps }
        value.problem(
            .invalidSequence, "must have 2 to \(Self.mostSteps) steps",
            fix: "write sequence: [door_open, \"temperature > 8 'Cel'\"]")
        return nil
    }

    private func proveTimes(
        _ rule: AlarmRule, _ mapping: YAMLMapping, _ holds: YAMLValue?, _ within: YAMLValue?, _ until: YAMLValue?
    ) {
        switch rule.condition {
        case .when: break
        case .sequence:
            if within == nil {
                mapping.problem(
                    .missingKey, "must have `within`",
                    fix: "write the longest time from the first step to the last: within: 60s")
            }
            holds?.problem(.keyNotAllowedHere, "is not allowed with `sequence`", fix: "remove it")
        case .missing:
            if holds == nil {
                mapping.problem(
                    .missingKey, "must have `for`", fix: "write how long the point may be missing: for: 60s")
            }
            within?.problem(.keyNotAllowedHere, "is not allowed with `missing`", fix: "remove it")
            until?.problem(
                .keyNotAllowedHere, "is not allowed with `missing`: the next good reading ends the alarm",
                fix: "remove it")
        }
    }

    // MARK: Proofs

    private func prove(_ rule: inout AlarmRule, _ key: YAMLValue, _ written: [String: YAMLValue]) {
        do throws(AlarmRule.Mistake) {
            try rule.findPoints()
            let own = rule.ownPoints
            if own.isEmpty {
                if !rule.selection.isOfAllDevices {
                    key.problem(
                        .ruleWithoutPoint, "uses no point of the devices that it selects", fix: "remove `devices`")
                }
                let compiled = try rule.rule(names: elsewhere) { known($0, of: nil) }
                proveValues(compiled, key) { known($0, of: nil) }
                proveIntervals(rule, compiled, key) { known($0, of: nil) }
            } else {
                try prove(rule, own, key)
            }
        } catch {
            (written[error.key] ?? key).problem(error.code, error.message)
        }
    }

    /// For each map once.
    private func prove(_ rule: AlarmRule, _ own: Set<String>, _ key: YAMLValue) throws(AlarmRule.Mistake) {
        let meant = rule.selection.meant(devices, key, areAll: areAll)
        var proven: Set<String> = []
        var hasMistake = false
        for device in meant where own.isSubset(of: device.map.points.map(\.name)) {
            // Those that are computed have each their own points.
            let isComputed = if case .computed = device.address { true } else { false }
            let isNew = proven.insert(isComputed ? "@" + device.name : device.map.name).inserted
            // Each device has learned intervals of its own; one mistake of a rule is enough.
            guard isNew || learned?.knows(device) ?? false && !hasMistake else { continue }
            let compiled = try rule.rule(names: device.map.points.map(\.name) + elsewhere) { known($0, of: device) }
            if isNew { proveValues(compiled, key) { known($0, of: device) } }
            hasMistake = !proveIntervals(rule, compiled, key) { known($0, of: device) } || hasMistake
        }
        guard proven.isEmpty, areAll, !meant.contains(where: \.describesItself), let first = meant.first else { return }
        let names = Set(meant.flatMap { $0.map.points.map(\.name) })
        if !own.isSubset(of: names) { _ = try rule.rule(names: names.sorted() + elsewhere) { known($0, of: first) } }
        key.problem(.ruleWithoutPoint, "selects no device that has all of \(own.sorted().joined(separator: ", "))")
    }

    /// A condition that no good values of its points make true raises no alarm, or ends none.
    private func proveValues(
        _ compiled: Rule, _ key: YAMLValue, _ known: (Program.Input) -> AlarmRule.KnownPoint?
    ) {
        let conditions: [Program] =
            switch compiled.condition {
            case .holds(let program): [program]
            case .sequence(let programs, _): programs
            case .missing: []
            }
        func domain(_ input: Program.Input) -> Program.Domain { known(input)?.domain ?? Program.Domain() }
        func ranges(_ program: Program) -> String {
            let ranges = Set(
                program.inputs.compactMap { input -> String? in
                    guard case .value = input.look, let point = known(input), case .number = point.operand,
                        case let bounds = point.domain.bounds, bounds != Program.anything
                    else { return nil }
                    return "\(input.point) is good from \(bounds.lowerBound.plain) to \(bounds.upperBound.plain)"
                })
            return ranges.isEmpty ? "" : ": " + ranges.sorted().joined(separator: ", ")
        }
        if let never = conditions.first(where: { !$0.canHold(domain) }) {
            key.problem(
                .ruleNeverHolds, "can never be true\(ranges(never))",
                fix:
                    "compare with possible values; quality(POINT) == \"out_of_range\" is true for values outside the range"
            )
        } else if let until = compiled.until, !until.canHold(domain) {
            key.problem(
                .ruleNeverEnds, "never ends its alarms: its `until` can never be true\(ranges(until))",
                fix: "compare with possible values")
        } else if let until = compiled.until, let last = conditions.last, !until.canHold(whileNot: last, domain) {
            let condition = conditions.count > 1 ? "last step" : "condition"
            key.problem(
                .ruleNeverEnds, "never ends its alarms: whenever its `until` is true, its \(condition) is true too",
                fix: "remove `until`, or write when the alarm ends")
        }
    }

    /// What comes too seldom for the rule is never known, and no alarm comes of it; or one comes between any two readings.
    /// - Returns: false where there is a mistake.
    @discardableResult
    private func proveIntervals(
        _ rule: AlarmRule, _ compiled: Rule, _ key: YAMLValue, _ known: (Program.Input) -> AlarmRule.KnownPoint?
    ) -> Bool {
        // Those of `until` come last, and no alarm waits for them.
        let count = compiled.inputs.joined().count - (compiled.until?.inputs.count ?? 0)
        for (place, (input, validity)) in zip(compiled.inputs.joined(), compiled.validities).enumerated() {
            guard var point = known(input) else { continue }
            if place >= count { point.learned = nil }
            let one = RuleInput(input: input, point: point, validity: validity)
            if let (message, fix) = mistake(in: one, of: rule, compiled) {
                key.problem(.ruleCannotRaise, message, fix: fix)
                return false
            }
        }
        proveSteps(compiled, key, known)
        return true
    }

    /// A point that a rule looks at.
    private struct RuleInput {
        var input: Program.Input
        var point: AlarmRule.KnownPoint
        /// How long a reading counts, in microseconds; 0 where that follows from the usual interval.
        var validity: Int64

        /// How often it comes, in microseconds, and in words; nil where nothing is known of it.
        var interval: (every: Int64, words: String)? {
            if let every = point.every { return (every, "is read every \(RuleKeys.text(every))") }
            return point.learned.map { every, device in
                (every, "came from \(device) every \(RuleKeys.text(every)) or less often in earlier runs")
            }
        }

        var isStaleBetweenReadings: Bool { validity > 0 && interval.map { $0.every > validity } ?? false }
    }

    private func mistake(
        in one: RuleInput, of rule: AlarmRule, _ compiled: Rule
    ) -> (message: String, fix: String)? {
        let (input, isPolled) = (one.input, one.point.every != nil)
        if let (every, words) = one.interval {
            if case .rate(let over) = input.look, every > over {
                return (
                    "uses the rate of \(input.point) over \(Self.text(over)), and that point \(words)",
                    "write a longer time"
                )
            }
            if case .missing = rule.condition, compiled.holdFor <= every {
                return (
                    "would start an alarm between two readings: \(input.point) \(words)",
                    "write a longer `for`, three times that"
                )
            }
            // A reading counts at the moment it comes, beside those of the same message. That is enough without a longer `for`.
            if one.isStaleBetweenReadings, isPolled || compiled.holdFor > one.validity {
                return (
                    "uses no reading older than \(Self.text(one.validity)), and \(input.point) \(words)",
                    "write a longer `within`"
                )
            }
        }
        if !isPolled, case .when = rule.condition, rule.within == nil, compiled.holdFor >= Rule.validity(interval: 0) {
            return (
                "must have `within`, the maximum age of a reading: \(input.point) is not polled",
                "write within: 10min, longer than the usual interval between two messages"
            )
        }
        return nil
    }

    /// A step that follows another is seen at the earliest when its points are read again.
    private func proveSteps(
        _ compiled: Rule, _ key: YAMLValue, _ known: (Program.Input) -> AlarmRule.KnownPoint?
    ) {
        guard case .sequence(let programs, let within) = compiled.condition else { return }
        for program in programs.dropFirst() {
            let intervals = program.inputs.compactMap { known($0)?.every }
            guard intervals.count == program.inputs.count, let shortest = intervals.min(), shortest > within else {
                continue
            }
            return key.problem(
                .sequenceTooShort,
                "allows \(Self.text(within)) from the first step to the last, and \(program.inputs[0].point) is read every "
                    + Self.text(shortest), fix: "write a longer `within`")
        }
    }

    private static func text(_ microseconds: Int64) -> String { "\(Double(microseconds) / 1_000_000) s" }

    /// - Parameter own: the device whose rule it is.
    private func known(_ input: Program.Input, of own: Configuration.ConfiguredDevice?) -> AlarmRule.KnownPoint? {
        // Of one that stands for many, none has its name.
        let device =
            input.device.map { name in devices.first { $0.name == name && ($0.isOne || $0.describesItself) } } ?? own
        guard let device else { return nil }
        if let point = device.map.points.first(where: { $0.name == input.point }) {
            var known = AlarmRule.KnownPoint(point)
            known.domain = point.domain
            if point.every == nil, let interval = learned?.interval(of: point.name, device) {
                known.learned = (interval, device.name)
            }
            return known
        }
        return device.describesItself ? AlarmRule.KnownPoint(.number(unit: nil)) : nil
    }
}
