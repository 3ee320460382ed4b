// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Run recorded readings through a configuration, and show what is other than it was.",
        discussion: """
            FILE is what a file output or `headgate outbox export` wrote. Its readings go through filters, rules and \
            windows at their own times, in a moment; what comes of them is shown beside the alarms and windows in the \
            file, or beside those of another configuration with --before: + is new, - is gone. Readings that a filter has let go of are in no \
            file: record without filters to see all.

            Ends with 1 where something is other than it was, with 78 where a file has mistakes.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "A configuration to compare with, in place of what was recorded.")
    var before: String?

    @Flag(help: "Print JSON.")
    var json = false

    @Argument(help: "Events, a line each.")
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
        print(report.unknown > 0 ? ", \(report.unknown) of devices or points that are not configured" : "")
        let (before, after) = (report.before, report.after)
        print(
            "told: \(before.readings) → \(after.readings) readings, \(before.alarms) → \(after.alarms) alarm events, "
                + "\(before.windows) → \(after.windows) windows")
    }
}
