// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Pipeline
import YAMLText

/// Runs the cases that are kept beside a configuration: `headgate test`.
public struct ConfigurationTrial {
    public struct Failure: Codable, Sendable {
        public var file: String
        public var line: Int
        public var message: String
    }

    public struct Outcome: Codable, Sendable {
        public var name: String
        public var file: String
        public var line: Int
        public var readings: Int
        public var failures: [Failure]
    }

    public struct Report: Codable, Sendable {
        public var cases: [Outcome] = []
        /// Rules that no case has seen start, and windows that none has seen told.
        public var rulesNotStarted: [String] = []
        public var windowsNotSent: [String] = []
        public var rules = 0
        public var windows = 0
    }

    private let configuration: Configuration
    private let cases: [(file: String, one: TrialCase)]

    /// - Parameter files: of cases; empty for the one beside the configuration, `NAME.cases.yaml` beside `NAME.yaml`.
    /// - Returns: nil where there are mistakes.
    public static func read(_ path: String, files: [String], _ problems: ProblemList) -> ConfigurationTrial? {
        guard let configuration = problems.read(path, provesPlans: false) else { return nil }
        let files = files.isEmpty ? [beside(path)] : files
        let cases = files.flatMap { file in problems.readCases(file, configuration).map { (file, $0) } }
        return problems.lines.isEmpty ? ConfigurationTrial(configuration: configuration, cases: cases) : nil
    }

    private static func beside(_ path: String) -> String {
        let stem = path.hasSuffix(".yaml") ? String(path.dropLast(5)) : path
        return stem + ".cases.yaml"
    }

    private init(configuration: Configuration, cases: [(file: String, one: TrialCase)]) {
        self.configuration = configuration
        self.cases = cases
    }

    public func run() -> Report {
        var report = Report(rules: configuration.rules.count, windows: configuration.windows.count)
        var started: Set<String> = []
        var told: Set<String> = []
        for (file, one) in cases {
            let trial = Trial(configuration, from: one.start)
            for step in one.steps {
                trial.advance(to: one.moment(step.at))
                trial.take(step.device, step.said)
            }
            trial.advance(to: one.moment(one.length))
            trial.finish()
            for outcome in trial.outcomes {
                if case .alarm(let alarm) = outcome.event.detail { started.insert(alarm.rule) }
                if case .aggregate(let aggregate) = outcome.event.detail { told.insert(aggregate.window) }
            }
            let verdict = TrialVerdict(
                one, trial.outcomes, trial.catalog.contents, gateway: configuration.gateway)
            report.cases.append(
                Outcome(
                    name: one.name, file: file, line: one.line, readings: one.steps.reduce(0) { $0 + $1.said.count },
                    failures: verdict.failures.map { Failure(file: file, line: $0.line, message: $0.message) }))
        }
        report.rulesNotStarted = configuration.rules.map(\.name).filter { !started.contains($0) }
        report.windowsNotSent = configuration.windows.map(\.window.name).filter { !told.contains($0) }
        return report
    }
}

extension ProblemList {
    func readCases(_ file: String, _ configuration: Configuration) -> [TrialCase] {
        TrialCaseFile.read(file, configuration, problems: problems)
    }
}
