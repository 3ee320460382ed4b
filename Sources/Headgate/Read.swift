// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

struct Read: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read a device once and show what it says.",
        discussion: """
            A Modbus device is asked over its link, a message is waited for at most `--wait` seconds. Works beside a \
            running gateway over TCP and MQTT; a serial line carries one master at a time.

            With --raw it shows the other ways to read the registers of a Modbus device's points: each type in each \
            order, also at the addresses beside, as manuals count from 0 and from 1. The score says how much a value \
            looks like one that was measured, and whether it is in the point's range.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A device of the configuration.")
    var device: String

    @Argument(help: "Some of its points; all without.")
    var points: [String] = []

    @Option(help: "Seconds to wait for MQTT messages.")
    var wait = 10.0

    @Flag(help: "Show every way to read a point's registers, the likeliest first.")
    var raw = false

    @Option(help: "With --raw, how many ways to show a point.")
    var ways = 8

    @Flag(help: "Print JSON, a line a point.")
    var json = false

    func run() async throws {
        let configuration = try options.load(provesExamples: false)
        if raw { return try showDecodings(configuration) }
        let rows: [ReadoutRow]
        do {
            rows = try Readout(configuration, device: device, points: points).rows(patience: .seconds(wait))
        } catch let error as StartError {
            throw fail(error.description, EX_USAGE)
        } catch {
            throw fail("\(device): \(error)", EX_UNAVAILABLE)
        }
        guard !rows.isEmpty else { throw fail("\(device): no message within \(wait) s", EX_UNAVAILABLE) }
        if json {
            for row in rows { try printJSON(row) }
        } else {
            print(
                Table.text(
                    ["point", "value", "unit", "quality", "raw"],
                    rows.map { [$0.point, $0.value, $0.unit, Style.quality($0.quality, $0.reason), $0.raw] },
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
            throw fail(error.description, EX_USAGE)
        } catch {
            throw fail("\(device): \(error)", EX_UNAVAILABLE)
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
                    $0.isOfMap ? Style.good("the map") : "",
                ]
            }
            print("\(one.point)\n")
            print(
                Table.text(["value", "unit", "type", "order", "at", "raw", "score", ""], rows, rightAligned: [0, 6])
                    + "\n")
        }
    }
}
