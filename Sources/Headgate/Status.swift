// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Agent
import ArgumentParser
import Codes
import Glibc

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the state of a running gateway: links, devices, outbox, outputs, alarms, warnings.",
        discussion: "With --watch the command refreshes every second, until Ctrl-C or until the gateway stops.")

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Refresh every second.")
    var watch = false

    func run() async throws {
        let configuration = try options.load()
        do {
            repeat {
                let overview = try await GatewayOverview.read(configuration)
                if watch, !json, isatty(STDOUT_FILENO) == 1 { Swift.print("\u{1B}[H\u{1B}[2J", terminator: "") }
                json ? printJSON(line: overview.json) : print(picture(overview))
                try flush()
                if watch { try await Task.sleep(for: .seconds(1)) }
            } while watch
        } catch let exit as ExitCode {
            throw exit
        } catch {
            throw fail(error, else: .gatewayNotRunning, EX_UNAVAILABLE)
        }
    }

    private func picture(_ overview: GatewayOverview) -> String {
        let devices = Table.text(
            ["device", "map", "state", "points", "not good", "never read", "failed polls"],
            overview.devices.map {
                [
                    $0.name, $0.map, Style.state($0.state), "\($0.points)", "\($0.notGood)", "\($0.neverRead)",
                    $0.failedPolls,
                ]
            }, rightAligned: [3, 4, 5, 6])
        let links = Table.text(
            ["link", "address", "state", "since", "last received"],
            overview.links.map { link in
                let state =
                    link.up.map { $0 ? Style.good("up") : Style.bad("down: \(link.reason ?? "")") } ?? "starting"
                return [link.link, link.address, state, link.since ?? "", link.lastReceived ?? ""]
            })
        let outputs = Table.text(
            ["output", "kind", "state", "waiting events", "acknowledged readings", "retries", "dead letters"],
            overview.outputs.map {
                [
                    $0.name, $0.kind, $0.error.map { Style.bad("down: \($0)") } ?? Style.good("up"), "\($0.waiting)",
                    "\($0.acknowledged)", "\($0.retries)", "\($0.deadLetters)",
                ]
            }, rightAligned: [3, 4, 5, 6])
        return """
            gateway \(overview.gateway), headgate \(overview.version)
            readings: received \(overview.received) = filtered \(overview.filtered) + committed \(overview.committed) \
            + in progress \(overview.underWay)
            outbox: \(size(overview.outboxBytes)) of \(size(overview.outboxMaxBytes))\
            \(overview.outboxTrouble.map { ", " + Style.bad($0) } ?? "")

            \(links)

            \(devices)

            \(outputs)\(held(overview.outputs))\(losses(overview.losses))\(alarms(overview.alarms))\(warnings(overview.warnings))
            """
    }

    private func held(_ outputs: [GatewayOverview.Output]) -> String {
        Table.held(outputs.map { ($0.name, $0.lanes) }).map { "\n\n" + $0 } ?? ""
    }

    private func losses(_ losses: [GatewayStatus.LossStatus]) -> String {
        losses.isEmpty ? "" : "\n\n" + Table.losses(losses)
    }

    private func warnings(_ warnings: [GatewayStatus.WarningStatus]) -> String {
        guard !warnings.isEmpty else { return "" }
        return "\n\n"
            + Table.text(
                ["warning", "code", "subject", "since", "count", "what to do"],
                warnings.map { warning in
                    [
                        Style.bad(warning.warning), warning.code, warning.subject, warning.since, "\(warning.count)",
                        "\(warning.text): \(warning.next)",
                    ]
                }, rightAligned: [4])
    }

    private func alarms(_ alarms: [GatewayStatus.AlarmStatus]) -> String {
        guard !alarms.isEmpty else { return "" }
        return "\n\n"
            + Table.text(
                ["alarm", "device", "priority", "since", ""],
                alarms.map { alarm in
                    let doubt = alarm.confirmed ? [] : ["unconfirmed: no good reading"]
                    return [
                        Style.priority(alarm.rule, alarm.priority), alarm.device, alarm.priority, alarm.since,
                        ((alarm.text.isEmpty ? [] : [alarm.text]) + doubt).joined(separator: "; "),
                    ]
                })
    }
}

extension Table {
    /// Events whose topic a broker refuses; nil where there are none.
    static func held(_ outputs: [(name: String, lanes: [GatewayStatus.Backlog])]) -> String? {
        let rows = outputs.flatMap { output in
            output.lanes.flatMap { lane in
                lane.heldTopics.map { [output.name, lane.lane, $0.topic, Style.bad("\($0.events)")] }
            }
        }
        return rows.isEmpty ? nil : text(["held for", "lane", "topic", "events"], rows, rightAligned: [3])
    }

    /// Events that are lost.
    static func losses(_ losses: [GatewayStatus.LossStatus]) -> String {
        text(
            ["lost for", "events", "cause", "since", "last"],
            losses.map { loss in
                [
                    loss.output, Style.bad(loss.events == 0 ? "unknown" : "\(loss.events)"), loss.cause, loss.since,
                    loss.last,
                ]
            }, rightAligned: [1])
    }
}
