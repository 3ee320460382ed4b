// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration, its device maps and their examples.",
        discussion: """
            Reports up to 100 mistakes, each with its file, line, code and correction. `headgate explain CODE` explains a code. \
            The command opens no device and no broker. It reads the files that the configuration names, and intervals.json of the \
            state folder: a rule is a mistake if it cannot raise an alarm at the intervals of earlier runs.

            A missing secret, certificate or folder is a mistake; a missing serial line is a note. With --no-environment the \
            command does not look at them, for a configuration that is for another machine. With MAP files as arguments it checks \
            these instead of a configuration.

            Exit codes: 78 if a file has mistakes.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print the mistakes as JSON.")
    var json = false

    @Flag(
        inversion: .prefixedNo,
        help: "Check the secrets, certificates, folders and serial lines that the configuration names.")
    var environment = true

    @Argument(help: "Device maps to check instead of a configuration.")
    var maps: [String] = []

    func run() async throws {
        let problems = ProblemList(provesEnvironment: environment)
        let proof = maps.isEmpty ? problems.check(options.config) : problems.check(maps: maps)
        for note in problems.notes { complain("note: \(note)") }
        if json {
            try printJSON(problems.report)
        } else {
            for line in problems.lines { complain(line) }
            print(
                problems.lines.isEmpty
                    ? "\(Style.good("ok")): \(proof)"
                    : problems.count)
        }
        guard problems.lines.isEmpty else { throw ExitCode(EX_CONFIG) }
    }
}
