// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import ArgumentParser
import Glibc

struct OutboxDeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "Dead letters: events that an output's broker will never take.",
        subcommands: [List.self, Show.self, Retry.self, Drop.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "All of them, with the reasons.")

        @OptionGroup var options: ConfigurationOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            try await atDesk(options) { desk in
                let letters = try await desk.deadLetters()
                if json { return try printJSON(letters) }
                print(
                    Table.text(
                        ["number", "output", "event", "since", "reason"],
                        letters.map { ["\($0.number)", $0.output, $0.id, $0.at, $0.reason] }, rightAligned: [0]))
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One of them as JSON.")

        @OptionGroup var options: ConfigurationOption

        @Argument(help: "Its number.")
        var number: Int

        func run() async throws {
            try await atDesk(options) { desk in
                guard let letter = try await desk.deadLetters().first(where: { $0.number == number }) else {
                    throw fail("there is no dead letter \(number)", EXIT_FAILURE)
                }
                letter.event.map(printJSON(line:)) ?? print("cannot be read any more")
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send them to their output once more, under their old ids.")

        @OptionGroup var options: ConfigurationOption
        @OptionGroup var letters: Letters

        func run() async throws {
            try await atDesk(options) { desk in
                let count = try await desk.retry(letters.numbers).count
                print("\(count) dead letters are sent once more")
                if count == 0 { throw ExitCode.failure }
            }
        }
    }

    struct Drop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let them go for good.")

        @OptionGroup var options: ConfigurationOption
        @OptionGroup var letters: Letters

        func run() async throws {
            try await atDesk(options) { desk in
                let count = try await desk.drop(letters.numbers).count
                print("\(count) dead letters are gone")
                if count == 0 { throw ExitCode.failure }
            }
        }
    }

    /// Which of them: some, or all.
    struct Letters: ParsableArguments {
        @Argument(help: "Their numbers.")
        var numbers: [Int] = []

        @Flag(help: "All there are.")
        var all = false

        func validate() throws {
            if numbers.isEmpty != all { throw ValidationError("name numbers, or --all") }
        }
    }
}
