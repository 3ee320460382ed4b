// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Pipeline
import YAMLText

/// Runs recorded readings through a configuration, and shows what is other than it was: `headgate replay`.
public struct Replay {
    /// A line that is there before or after only.
    public struct Change: Codable, Sendable {
        public var time: String
        /// Whether it is new.
        public var isNew: Bool
        public var what: String
    }

    public struct Sums: Codable, Sendable {
        public var readings = 0
        public var alarms = 0
        public var windows = 0
    }

    public struct Report: Codable, Sendable {
        /// Readings that were recorded, and those of devices and points that the configuration does not have.
        public var recorded = 0
        public var unknown = 0
        public var before = Sums()
        public var after = Sums()
        /// By time.
        public var changes: [Change] = []
    }

    private struct Line: Hashable {
        var time: Timestamp
        var what: String
    }

    private let events: [(event: Recording.Event, time: Timestamp)]
    private let before: Configuration?
    private let after: Configuration

    /// - Parameters:
    ///   - file: events, a line each.
    ///   - before: a configuration to compare with; nil for what was recorded.
    public static func read(
        _ file: String, before: String?, after: String, _ problems: ProblemList
    ) -> Replay? {
        let old = before.flatMap { problems.read($0, provesPlans: false) }
        let new = problems.read(after, provesPlans: false)
        guard let new, problems.lines.isEmpty, let events = problems.readRecording(file) else { return nil }
        return Replay(events: events, before: old, after: new)
    }

    public func run() -> Report {
        var report = Report()
        let (new, taken) = lines(after, &report.after)
        let old = before.map { lines($0, &report.before).lines } ?? recorded(&report.before)
        let telemetry = events.filter { $0.event.type == EventKind.telemetry.type }
        report.recorded = telemetry.reduce(0) { $0 + ($1.event.data.readings?.count ?? 0) }
        report.unknown = report.recorded - taken
        report.changes = Self.changes(from: old, to: new)
        return report
    }

    // MARK: Before and after

    private func lines(_ configuration: Configuration, _ sums: inout Sums) -> (lines: [Line], taken: Int) {
        guard let start = events.map(\.time).min() else { return ([], 0) }
        let trial = Trial(configuration, from: start)
        var taken = 0
        for (event, time) in Recording.inOrderOfArrival(events) where event.type == EventKind.telemetry.type {
            guard let points = trial.points(of: event.subject) else { continue }
            let said = (event.data.readings ?? []).compactMap { reading in
                points.first { $0.name == reading.point && $0.derived == nil }.map { point in
                    let own = reading.time.flatMap { Timestamp(iso8601: $0.utf8) }
                    return (point: point.name, said: reading.said(point), time: own ?? time)
                }
            }
            // A reading may have been later than the event that it is of.
            let came = said.map(\.time).reduce(time, max)
            if came > trial.now { trial.advance(to: came) }
            taken += trial.take(event.subject, said, time: time)
            // What is computed comes again by itself.
            taken += (event.data.readings ?? []).count { reading in
                points.contains { $0.name == reading.point && $0.derived != nil }
            }
        }
        if let end = end(configuration), end > trial.now { trial.advance(to: end) }
        trial.finish()
        let contents = trial.catalog.contents
        var lines: [Line] = []
        for outcome in trial.outcomes {
            switch outcome.event.kind {
            case .telemetry: sums.readings += outcome.event.readings.count
            case .alarm: sums.alarms += 1
            default: sums.windows += 1
            }
            guard outcome.event.kind != .telemetry else { continue }
            lines.append(
                Line(
                    time: outcome.event.time, what: outcome.text(contents, gateway: configuration.gateway)))
        }
        return (lines, taken)
    }

    /// How long the gateway ran at least: a window that was told was over, and what might be late waited for.
    private func end(_ configuration: Configuration) -> Timestamp? {
        events.map { event, time in
            let window = configuration.windows.first { $0.window.name == event.data.window }
            return time.advanced(byMicroseconds: window?.window.lateness ?? 0)
        }.max()
    }

    private func recorded(_ sums: inout Sums) -> [Line] {
        var lines: [Line] = []
        for (event, time) in events {
            switch event.type {
            case EventKind.telemetry.type: sums.readings += event.data.readings?.count ?? 0
            case EventKind.alarm.type:
                sums.alarms += 1
                let reason = event.data.reason.map { " (\($0))" } ?? ""
                let what = "\(event.subject): \(event.data.rule ?? "") \(event.data.phase ?? "")\(reason)"
                lines.append(Line(time: time, what: what))
            case EventKind.aggregate.type:
                sums.windows += 1
                let known = after.devices.named(event.subject)?.map.points ?? []
                let points = (event.data.points ?? []).map { point in
                    (point.name, point.figures(in: known.first { $0.name == point.name }?.sentUnit))
                }
                let what = Trial.Outcome.text(event.subject, window: event.data.window ?? "", points)
                lines.append(Line(time: time, what: what))
            default: break
            }
        }
        return lines
    }

    private static func changes(from old: [Line], to new: [Line]) -> [Change] {
        var missing = old.reduce(into: [Line: Int]()) { $0[$1, default: 0] += 1 }
        var changes: [(Line, isNew: Bool)] = []
        for line in new {
            if missing[line, default: 0] > 0 { missing[line, default: 0] -= 1 } else { changes.append((line, true)) }
        }
        for (line, count) in missing { for _ in 0..<count { changes.append((line, false)) } }
        return changes.sorted { ($0.0.time, $0.isNew ? 1 : 0, $0.0.what) < ($1.0.time, $1.isNew ? 1 : 0, $1.0.what) }
            .map { Change(time: $0.0.time.iso8601, isNew: $0.isNew, what: $0.0.what) }
    }
}

extension ProblemList {
    fileprivate func readRecording(_ file: String) -> [(event: Recording.Event, time: Timestamp)]? {
        do {
            return try Recording.read(try TextFile.read(file, limit: 1 << 30))
        } catch let mistake as Recording.Mistake {
            problems.add(
                Problem(
                    file: file, line: mistake.line, column: 1, code: .notARecording, message: mistake.message, fix: ""))
        } catch {
            problems.add(
                Problem(
                    file: file, line: 1, column: 1, code: .unreadableFile, message: "cannot be read: \(error)", fix: "")
            )
        }
        return nil
    }
}
