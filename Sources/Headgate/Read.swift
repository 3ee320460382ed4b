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
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A device of the configuration.")
    var device: String

    @Argument(help: "Some of its points; all without.")
    var points: [String] = []

    @Option(help: "Seconds to wait for MQTT messages.")
    var wait = 10.0

    @Flag(help: "Print JSON, a line a point.")
    var json = false

    func run() async throws {
        let configuration = try options.load()
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
            for row in rows { print(try row.json()) }
        } else {
            print(
                Table.text(
                    ["point", "value", "unit", "quality", "raw"],
                    rows.map { [$0.point, $0.value, $0.unit, Style.quality($0.quality, $0.reason), $0.raw] },
                    rightAligned: [1]))
        }
        if rows.allSatisfy({ $0.quality == "bad" }) {
            throw fail("\(device) does not answer (\(rows[0].reason ?? "no reason"))", EX_UNAVAILABLE)
        }
    }
}
