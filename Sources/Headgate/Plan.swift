// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc

struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the Modbus requests of each link, their intervals, and the load of the link.",
        discussion: """
            Opens no connection. The gateway combines points into one request if that takes less time. The durations are those \
            that a running gateway has measured. Without measurements they follow from the speed of a serial line; over TCP a \
            request is assumed to take 2 ms. Addresses are as on the wire, from 0.

            Exit codes: 1 if a link cannot carry its requests.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A link of the configuration (default: all links).")
    var link: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let plans: PollPlans
        do {
            plans = try PollPlans(try options.load(provesPlans: false), link: link)
        } catch let error as StartError {
            throw fail(error, else: .usage, EX_USAGE)
        }
        if json { try printJSON(plans) } else { print(plans.links.map(picture).joined(separator: "\n\n")) }
        guard plans.links.allSatisfy(\.fits) else { throw ExitCode.failure }
    }

    private func picture(_ link: PollPlans.Link) -> String {
        let rows = link.requests.map {
            [
                $0.device, $0.table, "\($0.address)", "\($0.count)", "\($0.points.count)",
                interval($0.requestsPerSecond), decimals($0.milliseconds, 1) + " ms", percent($0.load),
            ]
        }
        let table = Table.text(
            ["device", "table", "address", "registers", "points", "interval", "duration", "load"], rows,
            rightAligned: [2, 3, 4, 5, 6, 7])
        return "\(link.link), \(link.endpoint): \(summary(link))\n\n\(table)" + link.learned.map(picture).joined()
    }

    private func picture(_ learned: PollPlans.LearnedOfDevice) -> String {
        var lines = ["", "", "learned from \(learned.device); write in the map \(learned.map):"]
        if let limits = learned.limits { lines.append("  modbus: { \(limits) }") }
        for (point, reason) in learned.refused.sorted(by: { $0.key < $1.key }) {
            lines.append("  remove the point \(point): the device does not have it (\(reason))")
        }
        return lines.joined(separator: "\n")
    }

    private func summary(_ link: PollPlans.Link) -> String {
        let text = "\(decimals(link.requestsPerSecond, 1)) requests a second, "
        let about = link.isMeasured ? "as measured " : link.isTimed ? "" : "about "
        guard !link.fits else {
            return text + Style.good("\(about)\(percent(link.load)) of its time, \(percent(1 - link.load)) free")
        }
        let points = link.costliest.map { "\($0.device) \($0.point) (\(percent($0.load)))" }
        return text + Style.bad("\(about)\(percent(link.load)) of its time: the link cannot carry its requests")
            + "\nthe points with the highest load: \(points.joined(separator: ", "))"
    }

    private func interval(_ rate: Double) -> String {
        let seconds = 1 / rate
        return seconds < 1 ? decimals(seconds * 1_000, 0) + " ms" : decimals(seconds, seconds < 10 ? 1 : 0) + " s"
    }

    private func percent(_ share: Double) -> String { decimals(share * 100, 1) + " %" }

    private func decimals(_ number: Double, _ count: Int) -> String {
        let factor = count == 0 ? 1.0 : 10.0
        let rounded = (number * factor).rounded() / factor
        return count == 0 ? "\(Int(clamping: Int64(rounded)))" : "\(rounded)"
    }
}
