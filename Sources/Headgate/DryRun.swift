// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct DryRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dry-run",
        abstract: "Run recorded readings through a configuration, and show which alarms and windows change.",
        discussion: """
            FILE is a file that a file output or `headgate outbox export` wrote. The command runs its readings through \
            the filters, rules and windows of the configuration, on a simulated clock. It compares the alarms and \
            windows with those in the file, or with those of another configuration (--before): + is new, - is missing. \
            The file does not contain readings that a filter dropped: record without filters to include them.

            Exit codes: 1 if alarms or windows change, 78 if a file has mistakes.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "A configuration to compare with, instead of the alarms and windows in FILE.")
    var before: String?

    @Flag(help: "Print JSON.")
    var json = false

    @Argument(help: "Recorded events, one in each line.")
    var file: String

    func run() async throws {
        let problems = ProblemList()
        guard let replay = Replay.read(file, before: before, after: options.config, problems) else {
            throw mistakes(problems)
        }
        let report = replay.run()
        if json {
            try printJSON(report)
        } else {
            show(report)
        }
        guard report.changes.isEmpty else { throw ExitCode.failure }
    }

    private func show(_ report: Replay.Report) {
        for change in report.changes {
            let line = "\(change.isNew ? "+" : "-") \(change.time)  \(change.what)"
            print(change.isNew ? Style.good(line) : Style.bad(line))
        }
        print("readings: \(report.recorded) recorded", terminator: "")
        print(report.unknown > 0 ? ", \(report.unknown) of unknown devices or points" : "")
        let (before, after) = (report.before, report.after)
        print(
            "sent: \(before.readings) → \(after.readings) readings, \(before.alarms) → \(after.alarms) alarm events, "
                + "\(before.windows) → \(after.windows) windows")
    }
}
