// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

struct Tail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch events as they are committed.",
        discussion: """
            Shows what the running gateway commits, a line a reading, until Ctrl-C. With --json, each event whole, a \
            line each. A slow reader misses some; the outbox does not.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "Only this device; may be given more than once.")
    var device: [String] = []

    @Option(help: "Only events with this point; may be given more than once.")
    var point: [String] = []

    @Flag(help: "Print whole events as JSON.")
    var json = false

    func run() async throws {
        let configuration = try options.load()
        for id in device where !configuration.hasDevice(id) {
            throw fail(
                "\(id) is no device of \(options.config): \(configuration.devices.map(\.name).joined(separator: ", "))",
                EX_USAGE)
        }
        for name in point where !configuration.mayHavePoint(name) {
            throw fail("no device of \(options.config) has a point \(name)", EX_USAGE)
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
            throw fail("\(error)", EX_UNAVAILABLE)
        }
    }
}
