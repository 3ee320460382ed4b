// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Pipeline
import Schemas
import YAMLText

/// Reads the cases that are kept beside a configuration; records every mistake.
struct TrialCaseFile {
    /// 2026-01-01, the beginning of an hour and a day.
    private static let usualStart = Timestamp(microseconds: 1_767_225_600_000_000)
    private static let mostSteps = 1_000_000
    private static let qualities: [String: Quality] = [
        "bad": .bad, "absent": .absent, "uncertain": .uncertain, "out_of_range": .outOfRange,
    ]
    private static let expectationFix =
        "write { at: 0s, device: bed-1, alarm: fever, phase: start }, or `window`, or `points` for what is sent"

    let configuration: Configuration

    static func read(_ path: String, _ configuration: Configuration, problems: Problems) -> [TrialCase] {
        let text: String
        do {
            text = try TextFile.read(path)
        } catch {
            problems.add(
                Problem(
                    file: path, line: 1, column: 1, code: .unreadableFile, message: "cannot be read: \(error)", fix: "")
            )
            return []
        }
        guard let root = YAMLValue.mapping(of: text, file: path, problems: problems) else { return [] }
        let file = TrialCaseFile(configuration: configuration)
        let cases = (root.require("cases", fix: "write cases: [ … ]")?.sequence() ?? []).compactMap(file.oneCase)
        root.finish()
        return cases
    }

    private func oneCase(_ value: YAMLValue) -> TrialCase? {
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let name = mapping.require("case", fix: "write what the case shows: case: a hot oven raises an alarm")?.string()
        var one = TrialCase(name: name ?? "", line: value.line, start: Self.usualStart)
        if let start = mapping.take("start"), let text = start.string() {
            one.start = Timestamp(iso8601: text.utf8) ?? one.start
            if Timestamp(iso8601: text.utf8) == nil {
                start.problem(.invalidTime, "must be a time, like 2026-11-21T09:00:00Z")
            }
        }
        for step in mapping.take("readings")?.sequence() ?? [] { one.steps += steps(step) }
        // Those of one moment in the order in which they are written.
        one.steps = one.steps.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }
            .map(\.element)
        one.expected = (mapping.take("expect")?.sequence() ?? []).compactMap(expectation)
        let length = mapping.take("lasts")?.duration()
        one.length = max(one.steps.last?.at ?? 0, one.expected.compactMap(\.at).max() ?? 0, length ?? 0)
        return one
    }

    // MARK: Readings

    private func steps(_ value: YAMLValue) -> [TrialCase.Step] {
        guard let mapping = value.mapping() else { return [] }
        defer { mapping.finish() }
        let at = mapping.require("at", fix: "write at: 0s, from the case's start")?.duration(atLeast: 0)
        let device = mapping.require("device", fix: "name a device of the configuration").flatMap(device)
        let (every, until) = (mapping.take("every"), mapping.take("until"))
        let points = mapping.require("points", fix: "write points: { temperature: 21.5 }")
        guard let at, let device, let said = points.flatMap({ said($0, device) }) else { return [] }
        guard let every else {
            until?.problem(.missingKey, "must have `every`", fix: "write every: 1s, until: 5min")
            return [TrialCase.Step(at: at, device: device, said: said)]
        }
        guard let step = every.duration(atLeast: 1_000), let until, let end = until.duration(), end >= at else {
            every.problem(.missingKey, "must have `until`, not earlier than `at`", fix: "write every: 1s, until: 5min")
            return []
        }
        guard (end - at) / step < Int64(Self.mostSteps) else {
            every.problem(.caseTooManyReadings, "makes more than \(Self.mostSteps) readings")
            return []
        }
        return stride(from: at, through: end, by: Int64.Stride(step)).map {
            TrialCase.Step(at: $0, device: device, said: said)
        }
    }

    private func device(_ value: YAMLValue) -> String? {
        guard let name = value.string() else { return nil }
        if name == configuration.gateway || points(of: name) != nil { return name }
        let nearest = Spelling.nearest(to: name, among: configuration.devices.map(\.name))
        value.problem(
            .unknownDevice, "is not a device of the configuration", fix: nearest.map { "did you mean \($0)?" } ?? "")
        return nil
    }

    private func points(of device: String) -> [Point]? {
        configuration.devices.named(device)?.map.points
    }

    private func said(_ value: YAMLValue, _ device: String) -> [(point: String, said: Trial.Said)] {
        (value.mapping()?.all() ?? []).compactMap { key, value in
            guard let name = key.scalar, let said = Self.said(value),
                let point = point(key, of: points(of: device) ?? [], "is not a point of \(device)")
            else { return nil }
            if point.derived != nil {
                key.problem(.caseDerivedPoint, "is a derived point", fix: "write the points from which it is computed")
            } else if let mistake = point.mistake(in: said) {
                value.problem(.caseValueNotPossible, mistake)
            }
            return (name, said)
        }
    }

    /// The point of a name, or a problem.
    private func point(_ key: YAMLValue, of points: [Point], _ problem: String) -> Point? {
        let name = key.scalar ?? ""
        if let point = points.first(where: { $0.name == name }) { return point }
        let nearest = Spelling.nearest(to: name, among: points.map(\.name)).map { "did you mean \($0)?" }
        key.problem(.unknownPoint, problem, fix: nearest ?? "")
        return nil
    }

    private static func said(_ value: YAMLValue) -> Trial.Said? {
        guard let text = value.string() else { return nil }
        if value.isQuoted { return .text(text) }
        if let quality = qualities[text] { return .not(quality) }
        if text == "true" || text == "false" { return .boolean(text == "true") }
        if let whole = Value(wholeNumber: text), !whole.isExactNumber { return .whole(whole) }
        return Double(text).map(Trial.Said.number) ?? .text(text)
    }

    // MARK: What is to come

    private func expectation(_ value: YAMLValue) -> TrialCase.Expectation? {
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let at = mapping.take("at")?.duration(atLeast: 0)
        let device = mapping.take("device").flatMap(device)
        let (alarm, window, points) = (mapping.take("alarm"), mapping.take("window"), mapping.take("points"))
        let what: TrialCase.Expectation.What
        if let alarm {
            let rule = known(alarm, configuration.rules.map(\.name), "rule")
            let phases: KeyValuePairs = ["start": "start", "continue": "continue", "end": "end"]
            what = .alarm(
                rule: rule, phase: mapping.take("phase")?.word(phases) ?? "start",
                reason: mapping.take("reason")?.string(), priority: mapping.take("priority")?.string())
        } else if let window {
            let name = known(window, configuration.windows.map(\.window.name), "window")
            let window = configuration.windows.first { $0.window.name == name }?.window
            what = .window(
                name: name, from: mapping.take("from")?.duration(atLeast: 0),
                points: points.map { figures($0, window, expectable(device)) } ?? [:])
        } else if let points {
            let known = expectable(device)
            let said = (points.mapping()?.all() ?? []).compactMap { key, value in
                point(key, of: known, "is not a point that is sent").flatMap { point in
                    Self.said(value).map { (point.name, $0) }
                }
            }
            what = .readings(Dictionary(said, uniquingKeysWith: { one, _ in one }))
        } else {
            value.problem(
                .needsExactlyOneOf, "must have one of `alarm`, `window` and `points`", fix: Self.expectationFix)
            return nil
        }
        return TrialCase.Expectation(line: value.line, text: Self.text(what), at: at, device: device, what: what)
    }

    private func known(_ value: YAMLValue, _ names: [String], _ what: String) -> String {
        let name = value.string() ?? ""
        if !names.contains(name) {
            let nearest = Spelling.nearest(to: name, among: names)
            value.problem(
                .caseUnknownName, "is not a \(what) of the configuration",
                fix: nearest.map { "did you mean \($0)?" } ?? "")
        }
        return name
    }

    /// The points of a device, or of all.
    private func expectable(_ device: String?) -> [Point] {
        device.flatMap(points) ?? configuration.devices.flatMap(\.map.points)
    }

    private func figures(_ value: YAMLValue, _ window: Window?, _ known: [Point]) -> [String: [String: Double]] {
        let points = (value.mapping()?.all() ?? []).map { key, value in
            _ = point(key, of: known, "is not a point that is sent")
            let figures = (value.mapping()?.all() ?? []).compactMap { key, value -> (String, Double)? in
                let name = key.scalar ?? ""
                if let window, !window.told.map(\.name).contains(name) {
                    key.problem(
                        .caseUnknownName, "is not computed by the window \(window.name)",
                        fix: "add it to `functions` of the window")
                }
                return value.number().map { (name, $0) }
            }
            return (key.scalar ?? "", Dictionary(figures, uniquingKeysWith: { one, _ in one }))
        }
        return Dictionary(points, uniquingKeysWith: { one, _ in one })
    }

    private static func text(_ what: TrialCase.Expectation.What) -> String {
        switch what {
        case .alarm(let rule, let phase, let reason, _): "\(rule) \(phase)" + (reason.map { " (\($0))" } ?? "")
        case .window(let name, _, let points):
            "\(name) with "
                + points.sorted { $0.key < $1.key }.map { point, figures in
                    point + " "
                        + figures.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
                }.joined(separator: "; ")
        case .readings(let points):
            points.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
        }
    }
}

extension Point {
    /// Why its device cannot say this; nil where it can.
    fileprivate func mistake(in said: Trial.Said) -> String? {
        switch (form, said) {
        case (.boolean, .number), (.boolean, .whole), (.boolean, .text): return "must be true or false"
        case (.number, .boolean), (.number, .text), (.integer, .boolean), (.integer, .text), (.single, .boolean),
            (.single, .text):
            return "must be a number"
        case (.text, .text(let text)) where !conversion.labels.isEmpty && !conversion.labels.values.contains(text):
            return "must be one of \(Set(conversion.labels.values).sorted().joined(separator: ", "))"
        default: return nil
        }
    }
}

extension Trial.Said {
    var text: String {
        switch self {
        case .number(let number): "\(number)"
        case .whole(let value): JSONDocument(value, text: nil).text
        case .boolean(let isTrue): "\(isTrue)"
        case .text(let text): text
        case .not(let quality): "\(quality.name)"
        }
    }
}
