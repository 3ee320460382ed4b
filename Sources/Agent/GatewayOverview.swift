// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import FoundationEssentials

/// A running gateway at a glance.
public struct GatewayOverview {
    public struct Device {
        public var name: String
        public var map: String
        public var state: String
        public var points: Int
        public var notGood: Int
        public var neverRead: Int
        /// As `failed of all`; empty where it is not polled.
        public var failedPolls: String
    }

    public struct Output {
        public var name: String
        public var kind: String
        /// Nil while it is up.
        public var error: String?
        public var waiting: Int
        public var acknowledged: Int
        public var retries: Int
        public var deadLetters: Int
        public var lanes: [GatewayStatus.Backlog]
    }

    private let status: GatewayStatus

    public static func read(_ configuration: Configuration) async throws -> GatewayOverview {
        GatewayOverview(status: try await RunningGateway.status(of: configuration))
    }

    public var gateway: String { status.gateway }
    public var version: String { status.version }
    public var received: Int { status.totals.received }
    public var filtered: Int { status.totals.filtered }
    public var committed: Int { status.totals.committed }
    public var underWay: Int {
        max(0, status.totals.received - status.totals.filtered - status.totals.dropped - status.totals.committed)
    }
    public var outboxBytes: Int { status.outbox.bytes }
    /// What is wrong with the outbox's disk or file.
    public var outboxTrouble: String? { status.outbox.trouble }
    public var outboxMaxBytes: Int { status.outbox.maxBytes }
    public var losses: [GatewayStatus.LossStatus] { status.outbox.losses }

    public var devices: [Device] {
        status.devices.map { device in
            Device(
                name: device.device, map: device.map, state: device.state, points: device.points.count,
                notGood: device.points.count { $0.quality != "good" }, neverRead: device.neverRead.count,
                failedPolls: device.polls.map { "\(device.failedPolls ?? 0) of \($0)" } ?? "")
        }
    }

    public var links: [GatewayStatus.LinkStatus] { status.links }

    public var outputs: [Output] {
        status.outputs.map { output in
            Output(
                name: output.output, kind: output.kind, error: output.up ? nil : output.lastError ?? "unknown",
                waiting: output.lanes.reduce(0) { $0 + $1.waitingEvents }, acknowledged: output.acknowledgedReadings,
                retries: output.retries, deadLetters: output.deadLetters, lanes: output.lanes)
        }
    }

    /// What an operator should look at, the longest standing first.
    public var warnings: [GatewayStatus.WarningStatus] { status.warnings }

    /// Those that are under way, the most urgent first.
    public var alarms: [GatewayStatus.AlarmStatus] { status.alarms }

    public var json: String {
        (try? APIJSON.encode(status)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
