// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import FoundationEssentials

/// A running gateway at a glance.
package struct GatewayOverview {
    package struct Device {
        package var name: String
        package var map: String
        package var state: String
        package var points: Int
        package var notGood: Int
    }

    package struct Output {
        package var name: String
        package var kind: String
        /// Nil while it is up.
        package var error: String?
        package var waiting: Int
        package var acknowledged: Int
        package var retries: Int
        package var deadLetters: Int
    }

    private let status: GatewayStatus

    package static func read(_ configuration: Configuration) async throws -> GatewayOverview {
        GatewayOverview(status: try await RunningGateway.status(of: configuration))
    }

    package var gateway: String { status.gateway }
    package var version: String { status.version }
    package var received: Int { status.totals.received }
    package var filtered: Int { status.totals.filtered }
    package var committed: Int { status.totals.committed }
    package var underWay: Int {
        max(0, status.totals.received - status.totals.filtered - status.totals.shed - status.totals.committed)
    }
    package var outboxBytes: Int { status.outbox.bytes }
    package var outboxMaxBytes: Int { status.outbox.maxBytes }

    package var devices: [Device] {
        status.devices.map { device in
            Device(
                name: device.device, map: device.map, state: device.state, points: device.points.count,
                notGood: device.points.count { $0.quality != "good" })
        }
    }

    package var outputs: [Output] {
        status.outputs.map { output in
            Output(
                name: output.output, kind: output.kind, error: output.isUp ? nil : output.lastError ?? "unknown",
                waiting: output.lanes.reduce(0) { $0 + $1.waitingEvents }, acknowledged: output.acknowledgedReadings,
                retries: output.retries, deadLetters: output.deadLetters)
        }
    }

    package var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(status)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
