// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Agent
import ArgumentParser
import FoundationEssentials
import Glibc

struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox", abstract: "Look into the outbox, and mend it.",
        discussion: """
            Asks the running gateway; of a stopped one, opens its file.

              headgate outbox status                       what waits, by output and lane
              headgate outbox verify                       is everything readable, is anything missing
              headgate outbox show normal/18446            one event
              headgate outbox show --device meter-1 --since 2026-11-21T09:00:00Z
              headgate outbox export > events.jsonl
              headgate outbox replay --output central --since … --until …
              headgate outbox dead list
            """,
        subcommands: [
            OutboxStatusCommand.self, OutboxVerifyCommand.self, OutboxShowCommand.self, OutboxExportCommand.self,
            OutboxReplayCommand.self, OutboxDeadCommand.self, OutboxRepairCommand.self,
        ],
        defaultSubcommand: OutboxStatusCommand.self)
}

/// Runs what asks an outbox.
func atDesk(_ options: ConfigurationOption, _ body: (any OutboxDesk) async throws -> Void) async throws {
    let configuration = try options.load()
    try await withExitCodes { try await body(OutboxOverview.desk(configuration)) }
}

/// What goes wrong with an outbox, as exit codes.
func withExitCodes(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let exit as ExitCode {
        throw exit
    } catch let error as DeskError {
        throw fail(error.description, EX_USAGE)
    } catch let error as DamagedOutbox {
        throw fail(error.description, EXIT_FAILURE)
    } catch let error as InUse {
        throw fail(error.description, EX_TEMPFAIL)
    } catch {
        throw fail("\(error)", EX_UNAVAILABLE)
    }
}

func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    printJSON(line: String(decoding: try encoder.encode(value), as: UTF8.self))
}

// MARK: status

struct OutboxStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What waits in the outbox, by output and lane.")

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let configuration = try options.load()
        try await withExitCodes {
            let overview = try await OutboxOverview.read(configuration)
            if json { return try printJSON(overview) }
            print("\(overview.file): \(size(overview.bytes)) of \(size(overview.maxBytes)), epoch \(overview.epoch)")
            if let written = overview.writtenBytesPerDay {
                print("writes \(size(written)) a day, at the rate of the last hour, or since its start")
            }
            if !overview.keys.isEmpty { print("sealed with \(overview.keys.joined(separator: ", "))") }
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
            let held = Table.held(overview.outputs.map { ($0.output, $0.lanes) })
            if let held { print("\n" + held) }
            if !overview.losses.isEmpty { print("\n" + Table.losses(overview.losses)) }
        }
    }
}

func size(_ bytes: Int) -> String {
    if bytes >= 1 << 30 { return "\((Double(bytes) / Double(1 << 30) * 100).rounded() / 100) GiB" }
    if bytes >= 1 << 20 { return "\((Double(bytes) / Double(1 << 20) * 10).rounded() / 10) MiB" }
    return "\(bytes / 1_024) KiB"
}

// MARK: verify

struct OutboxVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read every block: checksums, sequence, what is missing.",
        discussion: "Exit code 1 where anything is wrong. Changes nothing.")

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let configuration = try options.load()
        try await withExitCodes {
            do {
                try show(await OutboxOverview.desk(configuration).verify())
            } catch let error as DamagedOutbox {
                // That it does not hang together is what was asked about.
                if json { try printJSON(OutboxVerdict(damage: error.description)) }
                throw error
            }
        }
    }

    private func show(_ verdict: OutboxVerdict) throws {
        if json {
            try printJSON(verdict)
        } else {
            for finding in verdict.findings {
                print("\(finding.lane) block \(finding.block): \(Style.bad(finding.problem))")
            }
            let wrong = verdict.findings.count
            print(
                "\(verdict.blocks) blocks, \(verdict.events) events, \(verdict.readings) readings: "
                    + (wrong == 0 ? Style.good("all sound") : Style.bad("\(wrong) wrong")))
        }
        if !verdict.findings.isEmpty { throw ExitCode.failure }
    }
}

// MARK: show and export

/// Which events, the same for `show` and `export`.
struct EventOptions: ParsableArguments {
    @Option(help: "Of this device.")
    var device: String?

    @Option(help: "Of this lane: critical, normal or bulk.")
    var lane: String?

    @Option(help: "From this time on, like 2026-11-21T09:00:00Z.")
    var since: String?

    @Option(help: "Up to this time.")
    var until: String?

    /// Calls back with each event's line until it returns false.
    func each(_ desk: any OutboxDesk, id: String?, _ handle: (ArraySlice<UInt8>) throws -> Bool) async throws {
        let query = EventQuery(id: id, device: device, lane: lane, since: since, until: until)
        var place: String?
        repeat {
            let page = try await desk.events(query, from: place)
            for line in page.lines.split(separator: UInt8(ascii: "\n")) where try !handle(line) { return }
            place = page.next
        } while place != nil
    }
}

struct OutboxShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Events that are in the outbox, a line each.")

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var events: EventOptions

    @Argument(help: "An event's id, or its end: normal/18446.")
    var id: String?

    @Option(help: "How many at the most.")
    var limit = 20

    func run() async throws {
        try await atDesk(options) { desk in
            var shown = 0
            try await events.each(desk, id: id) { line in
                guard shown < limit else {
                    complain("there are more: --limit shows them, `headgate outbox export` all")
                    return false
                }
                shown += 1
                printJSON(line: String(decoding: line, as: UTF8.self))
                try flush()
                return true
            }
            if shown == 0 { throw fail("no such event is in the outbox", EXIT_FAILURE) }
        }
    }
}

struct OutboxExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Events that are in the outbox as JSON Lines, all or some.",
        discussion: "Writes to standard output; takes nothing out.")

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var events: EventOptions

    func run() async throws {
        try await atDesk(options) { desk in
            var count = 0
            try await events.each(desk, id: nil) { line in
                count += 1
                printJSON(line: String(decoding: line, as: UTF8.self))
                return true
            }
            try flush()
            complain("\(count) events")
        }
    }
}

// MARK: replay

struct OutboxReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Send an output once more what it has sent already, under the same ids.",
        discussion: """
            Whole commits are sent: what was committed between the two times and is still in the outbox. That is what \
            some other output has not sent yet, and what `outbox: { keep_sent: 1d }` keeps.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "The output.")
    var output: String

    @Option(help: "From this time on, like 2026-11-21T09:00:00Z.")
    var since: String

    @Option(help: "Up to this time.")
    var until: String

    func run() async throws {
        try await atDesk(options) { desk in
            let count = try await desk.replay(to: output, since: since, until: until).count
            guard count > 0 else {
                throw fail("nothing that \(output) has sent lies between these times any more", EXIT_FAILURE)
            }
            print("\(count) events go to \(output) once more\(desk is RemoteDesk ? "" : ", from its next start on")")
        }
    }
}

// MARK: repair

struct OutboxRepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Save what there is in a damaged outbox of a stopped gateway.",
        discussion: """
            Does what the gateway does at each start: a database that cannot be used is put aside, what can be read of \
            it is saved under its old ids, and what is lost is told to every output.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        let configuration = try options.load()
        do {
            let report = try await OutboxOverview.repair(configuration)
            print(report)
        } catch let error as InUse {
            throw fail("\(error.description); a running gateway repairs its outbox by itself", EX_TEMPFAIL)
        } catch {
            throw fail("\(error)", EX_UNAVAILABLE)
        }
    }
}
