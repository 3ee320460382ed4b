// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import YAMLText

/// The `filters` of a configuration.
struct FilterRuleKeys {
    private static let fix =
        "write - { devices: meter-*, points: power_*, deadband: 5, max_interval: 30s }"

    let devices: [Configuration.ConfiguredDevice]
    /// Whether none is missing for a mistake of its own.
    let areAll: Bool

    func rules(_ value: YAMLValue) -> [FilterRule] {
        var rules: [FilterRule] = []
        for entry in value.sequence() ?? [] {
            guard let mapping = entry.mapping() else { continue }
            let rule = Self.rule(mapping)
            if rule.changes.isEmpty { entry.problem(.noEffect, "changes nothing", fix: Self.fix) }
            rules.append(rule)
            prove(rules, entry)
        }
        return rules
    }

    private static func rule(_ mapping: YAMLMapping) -> FilterRule {
        var rule = FilterRule()
        rule.selection = Selection(mapping)
        rule.changes = FilterKeys.changes(canClear: true, mapping.take)
        mapping.finish()
        return rule
    }

    // MARK: Proofs

    /// What is meant for nothing is misspelt, and what comes of it has to make sense for each point it is meant for.
    private func prove(_ rules: [FilterRule], _ entry: YAMLValue) {
        guard let rule = rules.last else { return }
        let meant = rule.selection.meant(devices, entry, areAll: areAll)
        let points = rule.selection.meantPoints(of: meant, entry, areAll: areAll)
        let isOfNumbers = rule.changes.allSatisfy(\.isOfNumbers) && !rule.changes.isEmpty
        if isOfNumbers, !points.isEmpty, areAll, !points.contains(where: \.point.isNumber),
            !meant.contains(where: \.describesItself)
        {
            entry.problem(
                .filterNeedsNumbers, "has a filter for numbers, but selects no point that is a number",
                fix: "correct `points`")
        }
        for (device, point) in points {
            let filters = rules.filters(of: point, device.described)
            let (name, place) = (point.name, device.name)
            if let contradiction = filters.contradiction {
                return entry.problem(
                    .filterConflict, "for \(name) of \(place): \(contradiction.message)", fix: contradiction.fix)
            }
            if filters.swing != nil, point.lane == .critical {
                return entry.problem(
                    .filterDelaysCritical,
                    "has `swinging_door`, which delays readings, and the point \(name) of \(place) is critical",
                    fix: "remove it, or add - { devices: \(place), points: \(name), swinging_door: none }")
            }
        }
    }
}

extension Configuration.ConfiguredDevice {
    /// What events say about it, but for an id that messages bring.
    var described: Device { Device(id: name, map: map.name, mapVersion: map.version, tags: tags) }

    var describesItself: Bool {
        switch map.form {
        case .sunSpec, .sparkplug: true
        case .modbus, .mqtt, .computed: false
        }
    }
}
