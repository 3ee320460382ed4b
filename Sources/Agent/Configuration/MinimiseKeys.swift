// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Schemas
import YAMLText

/// The `privacy` of a configuration.
struct MinimiseKeys {
    private static let fix = "write - { points: patient_id, pseudonymise: hospital-a }"

    let devices: [Configuration.ConfiguredDevice]
    /// Whether none is missing for a mistake of its own.
    let areAll: Bool
    /// Which must not look at what is taken away.
    let alarmRules: [AlarmRule]
    let resolve: (String) -> String

    func rules(_ mapping: YAMLMapping) -> MinimiseRules {
        var rules = MinimiseRules()
        let keys = mapping.take("keys")
        rules.keys = keys.flatMap { SecretKeys.secret($0, resolve) }
        var needsKeys: YAMLValue?
        for entry in mapping.take("points")?.sequence() ?? [] {
            guard let rule = rule(entry) else { continue }
            if case .token = rule.way { needsKeys = entry }
            rules.points.append(rule)
            prove(rule, entry)
        }
        for entry in mapping.take("device_ids")?.sequence() ?? [] {
            guard let names = names(entry) else { continue }
            needsKeys = entry
            rules.names.append(names)
        }
        mapping.finish()
        if keys == nil, let needsKeys {
            needsKeys.problem(
                .missingKey, "must have `keys` beside it", fix: "write keys: { file: /run/credentials/headgate/tokens }"
            )
        }
        for device in devices {
            prove(rules, device, mapping)
            proveUses(rules, device, mapping)
        }
        return rules
    }

    private func rule(_ entry: YAMLValue) -> MinimiseRule? {
        guard let mapping = entry.mapping() else { return nil }
        defer { mapping.finish() }
        let selection = Selection(mapping)
        let (drop, mask) = (mapping.take("drop"), mapping.take("mask"))
        let (step, token) = (mapping.take("generalise"), mapping.take("pseudonymise"))
        guard [drop, mask, step, token].compactMap(\.self).count == 1 else {
            entry.problem(
                .needsExactlyOneOf, "must have exactly one of `drop`, `mask`, `generalise` and `pseudonymise`",
                fix: Self.fix)
            return nil
        }
        let way: MinimiseRule.Way?
        if let drop {
            if drop.boolean() == false { drop.problem(.noEffect, "changes nothing", fix: "remove the entry") }
            way = .drop
        } else if let mask {
            way = mask.integer(in: 0...64, "how many characters are left").map { .mask(keep: $0) }
        } else if let step {
            way = step.number().flatMap { $0 > 0 && $0.isFinite ? .generalise(step: $0) : nil }
            if way == nil { step.problem(.invalidNumber, "must be a step greater than 0", fix: "write generalise: 10") }
        } else {
            way = token.flatMap(Self.authority)
                .map { .token(authority: $0) }
        }
        return way.map { MinimiseRule(selection: selection, way: $0) }
    }

    private func names(_ entry: YAMLValue) -> MinimisedNames? {
        guard let mapping = entry.mapping() else { return nil }
        defer { mapping.finish() }
        let selection = Selection(mapping, hasPoints: false)
        let authority = mapping.require("pseudonymise", fix: "write pseudonymise: hospital-a").flatMap(Self.authority)
        let meant = selection.meant(devices, entry, areAll: areAll)
        if !meant.isEmpty, !meant.contains(where: \.hasNamesOfMessages) {
            entry.problem(
                .privacyNamesConfigured, "selects devices whose names are in the configuration, not in messages",
                fix: "change the names under `devices`")
        } else if let nodes = meant.first(where: { $0.isMany && !$0.hasNamesOfMessages }) {
            entry.problem(
                .privacyNamesConfigured, "selects the edge nodes of \(nodes.name), whose names cannot be replaced",
                fix: "name other devices in `devices`")
        }
        return authority.map { MinimisedNames(selection: selection, authority: $0) }
    }

    private static func authority(_ value: YAMLValue) -> String? {
        guard let text = value.string() else { return nil }
        if text.isEmpty || text.contains("\0") {
            value.problem(
                .invalidName, "must be the name of the authority that assigns the IDs",
                fix: "write pseudonymise: hospital-a")
            return nil
        }
        return text
    }

    // MARK: Proofs

    private func prove(_ rule: MinimiseRule, _ entry: YAMLValue) {
        let meant = rule.selection.meant(devices, entry, areAll: areAll)
        let points = rule.selection.meantPoints(of: meant, entry, areAll: areAll).map(\.point)
        if case .generalise = rule.way, let point = points.first(where: { $0.form == .text || $0.form == .boolean }) {
            entry.problem(
                .privacyNeedsNumbers, "has `generalise` for the point \(point.name), which is not a number",
                fix: "write `mask` or `drop` instead")
        }
    }

    /// What would tell it all the same.
    private func prove(_ rules: MinimiseRules, _ device: Configuration.ConfiguredDevice, _ mapping: YAMLMapping) {
        let treated = device.map.points.filter { rules.way(of: $0.name, device.described) != nil }
        guard let first = treated.first else { return }
        if device.tellsProvenance {
            mapping.problem(
                .privacyBypassed,
                "hides \(first.name), and `provenance` of \(device.name) sends the registers of that point",
                fix: "remove `provenance`")
        }
        if let point = treated.first(where: { $0.writable != nil }) {
            mapping.problem(
                .privacyBypassed,
                "hides \(point.name) of \(device.name), which is writable: each write is an event with the value",
                fix: "remove `writable` from the map")
        }
    }
}

extension MinimiseKeys {
    /// What looks at readings has them as they are sent.
    private func proveUses(
        _ rules: MinimiseRules, _ device: Configuration.ConfiguredDevice, _ mapping: YAMLMapping
    ) {
        func isGone(_ point: String) -> Bool {
            switch rules.way(of: point, device.described) {
            case nil, .generalise: false
            case .drop, .mask, .token: true
            }
        }
        for rule in alarmRules {
            let isMeant = rule.selection.isMeant(for: device.described)
            let points = rule.points.filter { $0.device == device.name || $0.device == nil && isMeant }
            if let point = points.map(\.point).first(where: isGone) {
                mapping.problem(
                    .privacyBreaksRule, "hides \(point) of \(device.name), which the rule \(rule.name) needs",
                    fix: "remove one of the two, or compute in the map the derived point that the rule needs")
            }
        }
        for computed in devices {
            guard case .computed = computed.address else { continue }
            let inputs = computed.map.points.compactMap(\.derived).flatMap(\.program.inputs)
            if let point = inputs.first(where: { $0.device == device.name && isGone($0.point) })?.point {
                mapping.problem(
                    .privacyBreaksDerived, "hides \(point) of \(device.name), from which \(computed.name) is computed",
                    fix: "remove one of the two")
            }
        }
    }
}

extension Configuration.ConfiguredDevice {
    /// Whether others are named after it by what messages bring.
    fileprivate var hasNamesOfMessages: Bool {
        if case .topic = address { isMany } else { false }
    }
}
