// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc

struct Read: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read a device once, and show its values.",
        discussion: """
            The command reads a Modbus device over its link, and waits at most `--wait` seconds for a message of an MQTT device. \
            Over TCP and MQTT it works beside a running gateway. A serial line has one master: stop the gateway first.

            With --raw it shows other ways to decode the registers of each point: every type in every order, also at the \
            neighbouring addresses, because manuals count from 0 or from 1. The score says how plausible a value is.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A device of the configuration.")
    var device: String

    @Argument(help: "Points of the device (default: all points).")
    var points: [String] = []

    @Option(help: "Seconds to wait for an MQTT message.")
    var wait = 10.0

    @Flag(help: "Show every way to decode the registers of a point, the most plausible first.")
    var raw = false

    @Option(help: "With --raw, the number of ways to show for each point.")
    var ways = 8

    @Flag(help: "Print JSON, one line for each point.")
    var json = false

    func run() async throws {
        let configuration = try options.load(provesExamples: false)
        if raw { return try showDecodings(configuration) }
        let rows: [ReadoutRow]
        do {
            rows = try Readout(configuration, device: device, points: points).rows(patience: .seconds(wait))
        } catch let error as StartError {
            throw fail(error, else: .usage, EX_USAGE)
        } catch {
            throw fail(error, of: device, else: .deviceDoesNotRespond, EX_UNAVAILABLE)
        }
        guard !rows.isEmpty else {
            throw fail(
                .deviceDoesNotRespond, "\(device): the gateway received no message within \(wait) s", EX_UNAVAILABLE)
        }
        if json {
            for row in rows { try printJSON(row) }
        } else {
            print(
                Table.text(
                    ["point", "value", "unit", "quality", "raw"],
                    rows.map { [$0.point, $0.shown, $0.unit, Style.quality($0.quality, $0.reason), $0.raw] },
                    rightAligned: [1]))
        }
        let isBad = rows.allSatisfy { $0.quality == "bad" }
        if isBad {
            let link = configuration.devices.first { $0.name == device }?.link
            let at = link.flatMap { link in configuration.links.first { $0.name == link }?.address }
            complain("headgate: \(device) cannot be read\(at.map { " at \($0)" } ?? "")")
        }
        explain(rows)
        if isBad { throw ExitCode(EX_UNAVAILABLE) }
    }

    /// Each cause once.
    private func explain(_ rows: [ReadoutRow]) {
        var explained: Set<String> = []
        for row in rows {
            guard let explanation = row.explanation, explained.insert(explanation).inserted else { continue }
            complain("\(row.reason ?? "bad"): \(explanation)\(row.next.map { "; \($0)" } ?? "")")
        }
    }

    private func showDecodings(_ configuration: Configuration) throws {
        let decodings: [RawDecodings]
        do {
            decodings = try Readout(configuration, device: device, points: points).decodings()
        } catch let error as StartError {
            throw fail(error, else: .usage, EX_USAGE)
        } catch {
            throw fail(error, of: device, else: .deviceDoesNotRespond, EX_UNAVAILABLE)
        }
        for one in decodings {
            if json {
                try printJSON(one)
                continue
            }
            let rows = one.ways.prefix(max(1, ways)).map {
                [
                    $0.text ?? $0.value.map { "\($0)" } ?? "", one.unit, $0.type, $0.order,
                    "\(one.table) \($0.address)", $0.raw, "\($0.score)",
                    $0.matchesMap ? Style.good("the map") : "",
                ]
            }
            print("\(one.point)\n")
            print(
                Table.text(["value", "unit", "type", "order", "at", "raw", "score", ""], rows, rightAligned: [0, 6])
                    + "\n")
        }
    }
}
