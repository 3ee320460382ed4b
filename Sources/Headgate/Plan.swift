// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What is asked of which device how often, and how busy that keeps each link.",
        discussion: """
            Asks nobody. Points are read together where that takes less of the link's time, as a running gateway has \
            measured it; before that it follows from the speed of a serial line, and over TCP a request is taken for 2 \
            ms. Registers are numbered as on the wire, from 0. Ends with 1 where a link cannot carry what is asked of it.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A link of the configuration; all without.")
    var link: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let plans: PollPlans
        do {
            plans = try PollPlans(try options.load(provesPlans: false), link: link)
        } catch let error as StartError {
            throw fail(error.description, EX_USAGE)
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
            ["device", "table", "from", "count", "points", "about every", "takes", "of the link"], rows,
            rightAligned: [2, 3, 4, 5, 6, 7])
        return "\(link.link), \(link.endpoint): \(summary(link))\n\n\(table)" + link.learned.map(picture).joined()
    }

    private func picture(_ learned: PollPlans.LearnedOfDevice) -> String {
        var lines = ["", "", "learned of \(learned.device); for the map \(learned.map):"]
        if let limits = learned.limits { lines.append("  modbus: { \(limits) }") }
        for (point, reason) in learned.refused.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(point) is not there (\(reason)): leave it out")
        }
        return lines.joined(separator: "\n")
    }

    private func summary(_ link: PollPlans.Link) -> String {
        let text = "\(decimals(link.requestsPerSecond, 1)) requests a second, "
        let about = link.isMeasured ? "as measured " : link.isTimed ? "" : "about "
        guard !link.fits else {
            return text + Style.good("\(about)\(percent(link.load)) of its time, \(percent(1 - link.load)) to spare")
        }
        let points = link.costliest.map { "\($0.device) \($0.point) (\(percent($0.load)))" }
        return text + Style.bad("\(about)\(percent(link.load)) of its time: it cannot carry that")
            + "\nwhat costs most: \(points.joined(separator: ", "))"
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
