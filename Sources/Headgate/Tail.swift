// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc

struct Tail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show events as the gateway commits them.",
        discussion: """
            Shows each reading that the running gateway commits in one line, until Ctrl-C. With --json it prints each event \
            in one line. If the output is read too slowly, the command skips events; the outbox keeps them.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "Only this device. May be repeated.")
    var device: [String] = []

    @Option(help: "Only events with this point. May be repeated.")
    var point: [String] = []

    @Flag(help: "Print whole events as JSON.")
    var json = false

    func run() async throws {
        let configuration = try options.load()
        for id in device where !configuration.hasDevice(id) {
            throw fail(
                .usage,
                "\(id) is not a device of \(options.config): the devices are \(configuration.devices.map(\.name).joined(separator: ", "))",
                EX_USAGE)
        }
        for name in point where !configuration.mayHavePoint(name) {
            throw fail(.usage, "no device of \(options.config) has a point \(name)", EX_USAGE)
        }
        do {
            let tail = EventTail(devices: Set(device), points: Set(point))
            try await tail.follow(configuration) { event in
                if json {
                    printJSON(line: event.text)
                } else {
                    event.lines(style: Style.quality).forEach(printLine)
                }
                try flush()
            }
        } catch let exit as ExitCode {
            throw exit
        } catch {
            throw fail(error, else: .gatewayNotRunning, EX_UNAVAILABLE)
        }
    }
}
