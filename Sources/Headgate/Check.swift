// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prove the configuration, its device maps and their examples.",
        discussion: """
            Reports the mistakes at once (up to 100), with file, line and what to write instead, and ends with 78. Opens \
            nothing but files: these, intervals.json of the state folder (a rule is a mistake too if it can raise no alarm \
            at the intervals at which its points came in earlier runs), and those that the configuration names. A secret, \
            a certificate or a folder that is missing or cannot be read is a mistake, a serial line that is missing a note; \
            with --no-environment these are not looked at, for a configuration that is for another machine. With MAP files as arguments it proves those \
            instead of a configuration.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print the mistakes as JSON.")
    var json = false

    @Flag(
        inversion: .prefixedNo,
        help: "Look at the secrets, certificates, folders and serial lines that the configuration names.")
    var environment = true

    @Argument(help: "Device maps to prove by themselves.")
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
