// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Pipeline
import YAMLText

/// The `windows` of a configuration.
struct WindowKeys {
    private static let usual: [Figure] = [.min, .max, .mean, .last]
    /// Late readings come after a commit, and a link that is slow.
    private static let usualLateness: Int64 = 5_000_000
    private static let longestLateness: Int64 = 3_600_000_000
    private static let longest: Int64 = 31 * 86_400_000_000
    private static let mostPanes: Int64 = 64
    /// Bytes of what is open, in memory and each time it is written down: a point's figures take this much a pane, and of
    /// quantiles this much more.
    private static let most = 32 << 20
    private static let bytesOfPane = 192
    private static let bytesOfQuantiles = 1_024

    let devices: [Configuration.ConfiguredDevice]
    /// Whether none is missing for a mistake of its own.
    let areAll: Bool

    func windows(_ value: YAMLValue) -> [ConfiguredWindow] {
        var bytes = 0
        return (value.mapping()?.all() ?? []).compactMap { key, value in
            guard let name = ConfigurationFile.name(key), let mapping = value.mapping() else { return nil }
            let window = self.window(name, mapping, key)
            mapping.finish()
            guard let window else { return nil }
            let points = prove(window, key)
            bytes +=
                points * window.window.panes
                * (Self.bytesOfPane + (window.window.wantsQuantiles ? Self.bytesOfQuantiles : 0))
            if bytes > Self.most {
                key.problem(
                    .windowTooLarge,
                    "needs too much memory: windows of \(points) points in \(window.window.panes) panes, \(bytes >> 20) MiB in all",
                    fix: "write a longer `every`, fewer points or no quantiles")
            }
            return window
        }
    }

    private func window(_ name: String, _ mapping: YAMLMapping, _ key: YAMLValue) -> ConfiguredWindow? {
        let selection = Selection(mapping)
        let lateness = mapping.take("lateness").flatMap(Self.lateness)
        let figures = mapping.take("functions").map(Self.figures)
        let keepsRaw = mapping.take("raw")?.word(["keep": true, "drop": false])
        guard let span = Self.span(mapping, key) else { return nil }
        var window = ConfiguredWindow(
            window: Window(
                name: name, span: span, lateness: lateness ?? Self.usualLateness, figures: figures ?? Self.usual))
        window.selection = selection
        window.keepsRaw = keepsRaw ?? true
        return window
    }

    private static func span(_ mapping: YAMLMapping, _ key: YAMLValue) -> Window.Span? {
        let (every, size, session) = (mapping.take("every"), mapping.take("size"), mapping.take("session"))
        if let session {
            for other in [every, size] {
                other?.problem(.keyNotAllowedHere, "is not allowed with `session`", fix: "remove it")
            }
            return duration(session).map { .session(gap: $0) }
        }
        guard let every else {
            mapping.problem(
                .needsExactlyOneOf, "must have `every` or `session`",
                fix: "write every: 5min, or session: 30s for the longest pause")
            return nil
        }
        guard let step = duration(every) else { return nil }
        guard let size else { return .fixed(size: step, every: step) }
        guard let whole = duration(size) else { return nil }
        guard whole % step == 0, whole / step <= mostPanes else {
            size.problem(
                .windowStepMismatch, "must be a multiple of `every`, at most \(mostPanes) times",
                fix: "write every: 5min, size: 15min")
            return nil
        }
        return .fixed(size: whole, every: step)
    }

    private static func duration(_ value: YAMLValue) -> Int64? {
        guard let duration = value.duration(atLeast: 100_000) else { return nil }
        if duration <= longest { return duration }
        value.problem(.valueOutOfBounds, "must be at most 31d")
        return nil
    }

    /// 0 is a duration here.
    private static func lateness(_ value: YAMLValue) -> Int64? {
        guard value.scalar != "0", let lateness = value.scalar == "0s" ? 0 : value.duration(atLeast: 0) else {
            return value.scalar == "0" ? 0 : nil
        }
        if lateness <= longestLateness { return lateness }
        value.problem(.valueOutOfBounds, "must be at most 1h: readings wait in memory for that time")
        return nil
    }

    private static func figures(_ value: YAMLValue) -> [Figure] {
        let all = value.scalar == nil ? value.sequence() ?? [] : [value]
        return all.compactMap { one in
            guard let text = one.string() else { return nil }
            if let figure = Figure(name: text) { return figure }
            let names = Figure.named.map(\.key)
            let nearest = Spelling.nearest(to: text, among: names).map { "; did you mean \($0)?" } ?? ""
            one.problem(
                .unknownFunction, "must be one of \(names.joined(separator: ", ")), or a quantile like p95\(nearest)")
            return nil
        }
    }

    // MARK: Proofs

    /// - Returns: how many points it is about.
    private func prove(_ window: ConfiguredWindow, _ key: YAMLValue) -> Int {
        let meant = window.selection.meant(devices, key, areAll: areAll)
        let points = meant.flatMap { device in
            device.map.points.filter { window.isMeant(for: $0, of: device.described) }.map { (device, $0) }
        }
        guard !points.isEmpty else {
            if !meant.isEmpty, !meant.contains(where: \.describesItself) {
                key.problem(
                    .windowWithoutNumbers, "selects no point that is a number or a boolean", fix: "correct `points`")
            }
            return 0
        }
        if window.window.figures.contains(.delta), !points.contains(where: { $1.kind == .counter }) {
            key.problem(
                .windowNeedsCounter, "computes `delta`, and none of its points is a counter",
                fix: "write kind: counter in the map")
        }
        if !window.keepsRaw, let (device, point) = points.first(where: { $1.lane == .critical }) {
            key.problem(
                .windowDropsCritical, "drops the readings of \(point.name) of \(device.name), which is critical",
                fix: "remove `raw`")
        }
        return points.count
    }
}
