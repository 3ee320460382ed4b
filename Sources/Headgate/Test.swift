// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the cases that are kept beside a configuration.",
        discussion: """
            A case is readings with their times, and the events that are to come of them: of alarms all, of windows and \
            of what is sent all as soon as one is named. Nothing is opened but the files, and time is told, so that an \
            hour of readings takes a moment. The cases of NAME.yaml are in NAME.cases.yaml, unless files are named:

              cases:
                - case: a hot oven raises an alarm, and ends it
                  readings:
                    - { at: 0s, device: oven-1, points: { temperature: 300 }, every: 1s, until: 30s }
                    - { at: 40s, device: oven-1, points: { temperature: 200 } }
                  gives:
                    - { at: 10s, device: oven-1, alarm: too-hot }
                    - { at: 40s, device: oven-1, alarm: too-hot, phase: end }

            Ends with 1 where a case fails, with 78 where a file has mistakes.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Fail where a rule is started, or a window told, by no case.")
    var all = false

    @Flag(help: "Print JSON.")
    var json = false

    @Argument(help: "Files of cases.")
    var cases: [String] = []

    func run() async throws {
        let problems = ProblemList()
        guard let trial = ConfigurationTrial.read(options.config, files: cases, problems) else {
            throw mistakes(problems)
        }
        let report = trial.run()
        if json {
            try printJSON(report)
        } else {
            show(report)
        }
        let isCovered = report.rulesNotStarted.isEmpty && report.windowsNotTold.isEmpty
        guard report.cases.allSatisfy(\.failures.isEmpty), isCovered || !all else { throw ExitCode.failure }
    }

    private func show(_ report: ConfigurationTrial.Report) {
        for one in report.cases {
            print("\(one.failures.isEmpty ? Style.good("ok") : Style.bad("failed")): \(one.name)")
            for failure in one.failures { print("  \(failure.file):\(failure.line): \(failure.message)") }
        }
        let failed = report.cases.count { !$0.failures.isEmpty }
        let readings = report.cases.reduce(0) { $0 + $1.readings }
        print("\(report.cases.count) cases, \(failed) failed, \(readings) readings")
        if report.rules > 0 {
            print(
                "rules: \(report.rules - report.rulesNotStarted.count) of \(report.rules) started\(rest(report.rulesNotStarted))"
            )
        }
        if report.windows > 0 {
            print(
                "windows: \(report.windows - report.windowsNotTold.count) of \(report.windows) told\(rest(report.windowsNotTold))"
            )
        }
    }

    private func rest(_ names: [String]) -> String {
        names.isEmpty ? "" : Style.warning(", but not \(names.joined(separator: ", "))")
    }
}
