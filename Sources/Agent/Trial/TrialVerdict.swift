// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// What came of a case beside what was to come.
///
/// Of each kind of event that a case expects, it has to expect all; of alarms always.
struct TrialVerdict {
    private let contents: Catalog.Contents
    private let one: TrialCase
    private(set) var failures: [(line: Int, message: String)] = []

    init(_ one: TrialCase, _ outcomes: [Trial.Outcome], _ contents: Catalog.Contents, gateway: String) {
        self.one = one
        self.contents = contents
        let strict = Set(one.expected.map(\.what.kind) + [.alarm])
        var open = outcomes.filter { strict.contains($0.event.kind) }
        for expectation in one.expected {
            if let place = open.firstIndex(where: { isMatch($0, expectation, gateway) }) {
                open.remove(at: place)
            } else {
                failures.append((expectation.line, "did not come: \(describe(expectation))"))
            }
        }
        for outcome in open {
            failures.append((one.line, "came, and is not expected: \(describe(outcome, gateway))"))
        }
    }

    private func isMatch(_ outcome: Trial.Outcome, _ expectation: TrialCase.Expectation, _ gateway: String) -> Bool {
        let event = outcome.event
        if let at = expectation.at, event.time != one.moment(at) { return false }
        if let device = expectation.device, device != contents[event.device]?.id ?? gateway { return false }
        switch (event.detail, expectation.what) {
        case (.alarm(let alarm), .alarm(let rule, let phase, let reason, let priority)):
            return alarm.rule == rule && "\(alarm.phase.name)" == phase
                && reason.map { $0 == "\(alarm.remark.name)" } ?? true
                && priority.map { $0 == "\(alarm.priority.name)" } ?? true
        case (.aggregate(let aggregate), .window(let name, let from, let points)):
            guard aggregate.window == name, from.map({ one.moment($0) == aggregate.from }) ?? true else { return false }
            let told = figures(aggregate, outcome)
            return points.allSatisfy { point, figures in
                figures.allSatisfy { name, wanted in
                    told[point]?[name].map { Self.isAlike($0, wanted) } ?? false
                }
            }
        case (.telemetry, .readings(let wanted)):
            let told = outcome.batch.readings[event.readings]
            return wanted.allSatisfy { point, said in
                told.contains { contents[$0.series]?.point == point && isMatch($0, said, outcome.batch) }
            }
        default: return false
        }
    }

    private func isMatch(_ reading: Reading, _ said: Trial.Said, _ batch: Batch) -> Bool {
        switch (said, reading.value) {
        case (.not(let quality), _): reading.quality == quality
        case (.whole(let wanted), let value): reading.quality == .good && value.distance(to: wanted) == 0
        case (.boolean(let wanted), .boolean(let told)): wanted == told && reading.quality == .good
        case (.text(let wanted), .text(let index)): wanted == batch.text(at: index) && reading.quality == .good
        case (.number(let wanted), let value):
            reading.quality == .good && value.asNumber.map { Self.isAlike($0, wanted) } ?? false
        default: false
        }
    }

    /// To six digits, as people write them.
    private static func isAlike(_ one: Double, _ other: Double) -> Bool {
        abs(one - other) <= 1e-6 * max(1, abs(one), abs(other))
    }

    private func figures(_ aggregate: Aggregate, _ outcome: Trial.Outcome) -> [String: [String: Double]] {
        var told: [String: [String: Double]] = [:]
        for (place, reading) in outcome.batch.readings[outcome.event.readings].enumerated() {
            let figure = aggregate.figures[place % aggregate.figures.count]
            guard let point = contents[reading.series]?.point, let number = reading.value.asNumber else { continue }
            told[point, default: [:]][figure.name] = number
        }
        return told
    }

    // MARK: Words

    private func describe(_ expectation: TrialCase.Expectation) -> String {
        (expectation.at.map { "at \(Self.clock($0)), " } ?? "")
            + (expectation.device.map { "\($0): " } ?? "") + expectation.text
    }

    private func describe(_ outcome: Trial.Outcome, _ gateway: String) -> String {
        let at = Self.clock(outcome.event.time.microseconds(since: one.start))
        return "at \(at), " + outcome.text(contents, gateway: gateway)
    }

    /// A duration as it is written.
    private static func clock(_ microseconds: Int64) -> String {
        microseconds % 1_000_000 == 0 ? "\(microseconds / 1_000_000)s" : "\(Double(microseconds) / 1_000)ms"
    }
}

extension Trial.Outcome {
    /// In a line, without its time.
    func text(_ contents: Catalog.Contents, gateway: String) -> String {
        let device = contents[event.device]?.id ?? gateway
        switch event.detail {
        case .alarm(let alarm):
            let reason = alarm.remark == .none ? "" : " (\(alarm.remark.name))"
            return "\(device): \(alarm.rule) \(alarm.phase.name)\(reason)"
        case .aggregate(let aggregate):
            var points: [(name: String, figures: [(String, Double)])] = []
            for (place, reading) in batch.readings[event.readings].enumerated() {
                let figure = aggregate.figures[place % aggregate.figures.count]
                if place % aggregate.figures.count == 0 { points.append((contents[reading.series]?.point ?? "", [])) }
                if let number = reading.value.asNumber {
                    points[points.count - 1].figures.append((figure.name, number))
                }
            }
            return Self.text(device, window: aggregate.window, points)
        default:
            return "\(device): "
                + batch.readings[event.readings].map { reading in
                    "\(contents[reading.series]?.point ?? "") \(said(of: reading).text)"
                }.joined(separator: ", ")
        }
    }

    /// A window in a line: the figures of each point by their names.
    static func text(_ device: String, window: String, _ points: [(name: String, figures: [(String, Double)])])
        -> String
    {
        let words = points.map { point in
            point.name + " "
                + point.figures.sorted { $0.0 < $1.0 }.map { "\($0.0) \(short($0.1))" }.joined(separator: " ")
        }
        return "\(device): \(window) of \(words.joined(separator: ", "))"
    }

    /// To six digits: what was single precision on its way is told so.
    private static func short(_ number: Double) -> String {
        guard number.isFinite, number != 0 else { return "\(number)" }
        let digits = 5 - Int(log10(abs(number)).rounded(.down))
        let factor = pow(10, Double(digits))
        return "\(factor.isFinite && factor > 0 ? (number * factor).rounded() / factor : number)"
    }

    private func said(of reading: Reading) -> Trial.Said {
        if reading.quality != .good { return .not(reading.quality) }
        switch reading.value {
        case .boolean(let isTrue): return .boolean(isTrue)
        case .text(let index): return .text(batch.text(at: index))
        default:
            return reading.value.isExactNumber ? .number(reading.value.asNumber ?? .nan) : .whole(reading.value)
        }
    }
}
