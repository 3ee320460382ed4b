// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import ArgumentParser
import Codes
import Glibc
import Schemas

struct OutboxDeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "Dead letters: events that the broker of an output rejects for ever.",
        subcommands: [List.self, Show.self, Retry.self, Drop.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the dead letters with their reasons.")

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
        static let configuration = CommandConfiguration(abstract: "Print a dead letter as JSON.")

        @OptionGroup var options: ConfigurationOption

        @Argument(help: "The number of the dead letter.")
        var number: Int

        func run() async throws {
            try await atDesk(options) { desk in
                guard let letter = try await desk.deadLetters().first(where: { $0.number == number }) else {
                    throw fail(.notInOutbox, "the outbox has no dead letter \(number)", EXIT_FAILURE)
                }
                letter.event.map { printJSON(line: $0.text) } ?? print("the event can no longer be read")
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send dead letters to their output again, with the same IDs.")

        @OptionGroup var options: ConfigurationOption
        @OptionGroup var letters: Letters

        func run() async throws {
            try await atDesk(options) { desk in
                let count = try await desk.retry(letters.numbers).count
                print("\(count) dead letters are sent again")
                if count == 0 { throw ExitCode.failure }
            }
        }
    }

    struct Drop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete dead letters.")

        @OptionGroup var options: ConfigurationOption
        @OptionGroup var letters: Letters

        func run() async throws {
            try await atDesk(options) { desk in
                let count = try await desk.drop(letters.numbers).count
                print("\(count) dead letters are deleted")
                if count == 0 { throw ExitCode.failure }
            }
        }
    }

    /// Which of them: some, or all.
    struct Letters: ParsableArguments {
        @Argument(help: "The numbers of the dead letters.")
        var numbers: [Int] = []

        @Flag(help: "All dead letters.")
        var all = false

        func validate() throws {
            if numbers.isEmpty != all { throw ValidationError("write the numbers of the dead letters, or --all") }
        }
    }
}
