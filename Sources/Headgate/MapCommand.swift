// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

struct MapCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "Work with device maps.", subcommands: [Docs.self])

    struct Docs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show maps as pages of Markdown, a table of points each.",
            discussion:
                "For those who commission a device or look at its values: headgate map docs Devices/*.yaml > maps.md")

        @Argument(help: "Device maps.")
        var maps: [String]

        func run() async throws {
            let problems = ProblemList()
            let pages = problems.pages(of: maps)
            for line in problems.lines { complain(line) }
            guard problems.lines.isEmpty else { throw ExitCode(EX_CONFIG) }
            print(pages.joined(separator: "\n"), terminator: "")
        }
    }
}
