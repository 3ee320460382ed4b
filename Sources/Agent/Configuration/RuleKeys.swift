// Headgate
// SPDX-License-Identifier: Apache-2.0

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

    init(devices: [Configuration.ConfiguredDevice], areAll: Bool) {
        self.devices = devices
        self.areAll = areAll
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
                mapping.problem("says nothing to watch for", fix: Self.fix)
            } else if conditions.count > 1 {
                mapping.problem("watches for more than one thing", fix: "make a rule of each")
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
            "should be 2 to \(Self.mostSteps) steps", fix: "write sequence: [door_open, \"temperature > 8 'Cel'\"]")
        return nil
    }

    private func proveTimes(
        _ rule: AlarmRule, _ mapping: YAMLMapping, _ holds: YAMLValue?, _ within: YAMLValue?, _ until: YAMLValue?
    ) {
        switch rule.condition {
        case .when: break
        case .sequence:
            if within == nil { mapping.problem("needs `within`", fix: "say how long it may take: within: 60s") }
            holds?.problem("is not for a sequence", fix: "leave it out")
        case .missing:
            if holds == nil { mapping.problem("needs `for`", fix: "say how long it may be missing: for: 60s") }
            within?.problem("is not for what is missing", fix: "leave it out")
            until?.problem("is not for what is missing: the next good reading ends it", fix: "leave it out")
        }
    }

    // MARK: Proofs

    private func prove(_ rule: inout AlarmRule, _ key: YAMLValue, _ written: [String: YAMLValue]) {
        do throws(AlarmRule.Mistake) {
            try rule.findPoints()
            let own = rule.ownPoints
            if own.isEmpty {
                if !rule.selection.isOfAllDevices {
                    key.problem("looks at no point of the devices it is meant for", fix: "leave `devices` out")
                }
                let compiled = try rule.rule(names: elsewhere) { known($0, of: nil) }
                proveIntervals(rule, compiled, key) { known($0, of: nil) }
            } else {
                try prove(rule, own, key)
            }
        } catch {
            (written[error.key] ?? key).problem(error.message)
        }
    }

    /// For each map once.
    private func prove(_ rule: AlarmRule, _ own: Set<String>, _ key: YAMLValue) throws(AlarmRule.Mistake) {
        let meant = rule.selection.meant(devices, key, areAll: areAll)
        var proven: Set<String> = []
        for device in meant where own.isSubset(of: device.map.points.map(\.name)) {
            // Those that are computed have each their own points.
            let isComputed = if case .computed = device.address { true } else { false }
            guard proven.insert(isComputed ? "@" + device.name : device.map.name).inserted else { continue }
            let compiled = try rule.rule(names: device.map.points.map(\.name) + elsewhere) { known($0, of: device) }
            proveIntervals(rule, compiled, key) { known($0, of: device) }
        }
        guard proven.isEmpty, areAll, !meant.contains(where: \.describesItself), let first = meant.first else { return }
        let names = Set(meant.flatMap { $0.map.points.map(\.name) })
        if !own.isSubset(of: names) { _ = try rule.rule(names: names.sorted() + elsewhere) { known($0, of: first) } }
        key.problem("is meant for no device that has all of \(own.sorted().joined(separator: ", "))")
    }

    /// What is read too seldom for the rule is never known, and no alarm comes of it; or one comes between any two readings.
    private func proveIntervals(
        _ rule: AlarmRule, _ compiled: Rule, _ key: YAMLValue, _ known: (Program.Input) -> AlarmRule.KnownPoint?
    ) {
        for (input, validity) in zip(compiled.inputs.joined(), compiled.validities) {
            guard let point = known(input) else { continue }
            if let every = point.every {
                if case .rate(let over) = input.look, every > over {
                    return key.problem(
                        "asks how fast \(input.point) changes over \(Self.text(over)), and it is read every "
                            + Self.text(every), fix: "ask over a longer time")
                }
                if case .missing = rule.condition, compiled.holdFor <= every {
                    return key.problem(
                        "would start an alarm between any two readings: \(input.point) is read every "
                            + Self.text(every), fix: "write a longer `for`, three times that")
                }
                if every > validity {
                    return key.problem(
                        "takes no reading older than \(Self.text(validity)), and \(input.point) is read every "
                            + Self.text(every), fix: "write a longer `within`")
                }
            } else if case .when = rule.condition, rule.within == nil,
                compiled.holdFor >= Rule.validity(interval: 0)
            {
                return key.problem(
                    "needs `within`: how old a reading of \(input.point), which is told when its device likes, may be and "
                        + "still count", fix: "write within: 10min, longer than it is usually silent")
            }
        }
        proveSteps(compiled, key, known)
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
                "allows \(Self.text(within)) from the first step to the last, and \(program.inputs[0].point) is read every "
                    + Self.text(shortest), fix: "write a longer `within`")
        }
    }

    private static func text(_ microseconds: Int64) -> String { "\(Double(microseconds) / 1_000_000) s" }

    /// - Parameter own: the device whose rule it is.
    private func known(_ input: Program.Input, of own: Configuration.ConfiguredDevice?) -> AlarmRule.KnownPoint? {
        let device = input.device.map { name in devices.first { $0.name == name } } ?? own
        guard let device else { return nil }
        if let point = device.map.points.first(where: { $0.name == input.point }) { return AlarmRule.KnownPoint(point) }
        return device.describesItself ? AlarmRule.KnownPoint(.number(unit: nil)) : nil
    }
}
