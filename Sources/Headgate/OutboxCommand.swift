// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox", abstract: "Look into the outbox.", subcommands: [OutboxStatusCommand.self],
        defaultSubcommand: OutboxStatusCommand.self)
}

struct OutboxStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What waits in the outbox, by output and lane.",
        discussion: "Asks the running gateway; of a stopped one, reads its file.")

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let configuration = try options.load()
        do {
            let overview = try await OutboxOverview.read(configuration)
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(overview), as: UTF8.self))
                return
            }
            print("\(overview.file): \(size(overview.bytes)) of \(size(overview.maxBytes)), epoch \(overview.epoch)")
            print(
                Table.text(
                    ["output", "lane", "waiting", "oldest", "cursor", "dead letters"],
                    overview.outputs.flatMap { output in
                        output.lanes.map {
                            [
                                output.output, $0.lane, "\($0.waitingEvents)", $0.oldest ?? "–", "\($0.cursor)",
                                "\($0.deadLetters)",
                            ]
                        }
                    }, rightAligned: [2, 4, 5]))
        } catch let error as InUse {
            throw fail(error.description, EX_TEMPFAIL)
        } catch {
            throw fail("\(error)", EX_UNAVAILABLE)
        }
    }
}

func size(_ bytes: Int) -> String {
    if bytes >= 1 << 30 { return "\((Double(bytes) / Double(1 << 30) * 100).rounded() / 100) GiB" }
    if bytes >= 1 << 20 { return "\((Double(bytes) / Double(1 << 20) * 10).rounded() / 10) MiB" }
    return "\(bytes / 1_024) KiB"
}
