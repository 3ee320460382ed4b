// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Agent
import ArgumentParser
import Codes
import FoundationEssentials
import Glibc

struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox", abstract: "Inspect and repair the outbox.",
        discussion: """
            Asks the running gateway. If the gateway is stopped, the command opens the database itself.

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
        throw fail(error, else: .invalidRequest, EX_USAGE)
    } catch let error as DamagedOutbox {
        throw fail(error, else: .outboxNotReadable, EXIT_FAILURE)
    } catch let error as InUse {
        throw fail(error, else: .outboxInUse, EX_TEMPFAIL)
    } catch {
        throw fail(error, else: .outboxNotReadable, EX_UNAVAILABLE)
    }
}

func printJSON(_ value: some Encodable) throws {
    printJSON(line: String(decoding: try APIJSON.encode(value), as: UTF8.self))
}

// MARK: status

struct OutboxStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the events that wait in the outbox, by output and lane.")

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
                print("writes \(size(written)) a day, at the rate of the last hour or since the start")
            }
            if !overview.keys.isEmpty { print("encrypted with \(overview.keys.joined(separator: ", "))") }
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
        commandName: "verify", abstract: "Read every block, and check checksums and sequence.",
        discussion: "Changes nothing. Exit codes: 1 if the outbox is damaged.")

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
    @Option(help: "Only events of this device.")
    var device: String?

    @Option(help: "Only events of this lane: critical, normal or bulk.")
    var lane: String?

    @Option(help: "The start of the time range, for example 2026-11-21T09:00:00Z.")
    var since: String?

    @Option(help: "The end of the time range.")
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
        commandName: "show", abstract: "Show events in the outbox, one in each line.")

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var events: EventOptions

    @Argument(help: "The ID of an event, or its end: normal/18446.")
    var id: String?

    @Option(help: "The maximum number of events.")
    var limit = 20

    func run() async throws {
        try await atDesk(options) { desk in
            var shown = 0
            try await events.each(desk, id: id) { line in
                guard shown < limit else {
                    complain("the outbox has more events: use --limit, or `headgate outbox export` for all")
                    return false
                }
                shown += 1
                printJSON(line: String(decoding: line, as: UTF8.self))
                try flush()
                return true
            }
            if shown == 0 { throw fail(.notInOutbox, "the outbox has no such event", EXIT_FAILURE) }
        }
    }
}

struct OutboxExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write events of the outbox as JSON Lines.",
        discussion: "Writes to standard output. The events stay in the outbox.")

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
        commandName: "replay", abstract: "Send events of a time range to an output again, with the same IDs.",
        discussion: """
            The command sends the commits between the two times that are still in the outbox: those that another output \
            has not delivered yet, and those that `outbox: { keep_sent: 1d }` keeps.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "The output.")
    var output: String

    @Option(help: "The start of the time range, for example 2026-11-21T09:00:00Z.")
    var since: String

    @Option(help: "The end of the time range.")
    var until: String

    func run() async throws {
        try await atDesk(options) { desk in
            let count = try await desk.replay(to: output, since: since, until: until).count
            guard count > 0 else {
                throw fail(
                    .notInOutbox, "the outbox has no events between these times that \(output) has sent", EXIT_FAILURE)
            }
            print("\(count) events are sent to \(output) again\(desk is RemoteDesk ? "" : " after the next start")")
        }
    }
}

// MARK: repair

struct OutboxRepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Recover the events of a damaged outbox of a stopped gateway.",
        discussion: """
            The gateway does the same at each start. A database that cannot be used is moved to the quarantine. Its \
            readable events are recovered with their IDs. Gap events announce the lost events to each output.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        let configuration = try options.load()
        do {
            let report = try await OutboxOverview.repair(configuration)
            print(report)
        } catch let error as InUse {
            throw fail(
                .outboxInUse, "\(error.description); a running gateway repairs its outbox automatically", EX_TEMPFAIL)
        } catch {
            throw fail(error, else: .outboxNotReadable, EX_UNAVAILABLE)
        }
    }
}
