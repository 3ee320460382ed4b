// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the test cases of a configuration, without devices.",
        discussion: """
            A case is a list of readings with their times, and the events that the gateway must send for them: all alarms, and all \
            windows and telemetry if the case names at least one. The real filters, rules and windows run on a simulated clock; \
            only files are opened. The cases of NAME.yaml are in NAME.cases.yaml, or in the named files:

              cases:
                - case: a hot oven raises an alarm, and ends it
                  readings:
                    - { at: 0s, device: oven-1, points: { temperature: 300 }, every: 1s, until: 30s }
                    - { at: 40s, device: oven-1, points: { temperature: 200 } }
                  expect:
                    - { at: 10s, device: oven-1, alarm: too-hot }
                    - { at: 40s, device: oven-1, alarm: too-hot, phase: end }

            Exit codes: 1 if a case fails, 78 if a file has mistakes.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Fail if the cases do not start each rule and send each window.")
    var all = false

    @Flag(help: "Print JSON.")
    var json = false

    @Argument(help: "Files with cases.")
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
        let isCovered = report.rulesNotStarted.isEmpty && report.windowsNotSent.isEmpty
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
                "windows: \(report.windows - report.windowsNotSent.count) of \(report.windows) sent\(rest(report.windowsNotSent))"
            )
        }
    }

    private func rest(_ names: [String]) -> String {
        names.isEmpty ? "" : Style.warning(", but not \(names.joined(separator: ", "))")
    }
}
