// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What the gateway says of itself: `GET /api/status`, and what the page and `headgate status` show.
package struct GatewayStatus: Codable, Sendable {
    package struct Totals: Codable, Sendable, Equatable {
        /// Readings that came in, from polls and messages.
        package var received: Int
        /// Of those, readings that were no news (deadband) and went no further.
        package var filtered: Int
        /// Of those, readings that were let go because they came faster than they could be stored.
        package var shed: Int
        /// Of those, readings in the outbox or sent.
        package var committed: Int

        package init(received: Int, filtered: Int, shed: Int, committed: Int) {
            self.received = received
            self.filtered = filtered
            self.shed = shed
            self.committed = committed
        }
    }

    package struct DeviceStatus: Codable, Sendable {
        package var device: String
        package var map: String
        package var link: String
        /// online, offline or unknown.
        package var state: String
        package var points: [PointStatus]

        package init(device: String, map: String, link: String, state: String, points: [PointStatus]) {
            self.device = device
            self.map = map
            self.link = link
            self.state = state
            self.points = points
        }
    }

    package struct PointStatus: Codable, Sendable {
        package var point: String
        /// As JSON would show it; texts without their quotes.
        package var value: String
        package var unit: String
        package var quality: String
        package var reason: String?
        package var time: String

        package init(point: String, value: String, unit: String, quality: String, reason: String?, time: String) {
            self.point = point
            self.value = value
            self.unit = unit
            self.quality = quality
            self.reason = reason
            self.time = time
        }
    }

    package struct OutputStatus: Codable, Sendable {
        package var output: String
        package var kind: String
        /// True while the last try succeeded or none has been made.
        package var isUp: Bool
        package var lastError: String?
        /// Readings and events that its broker has acknowledged since the start.
        package var acknowledgedReadings: Int
        package var acknowledgedEvents: Int
        package var deadLetters: Int
        package var retries: Int
        package var lanes: [Backlog]

        package init(
            output: String, kind: String, isUp: Bool, lastError: String?, acknowledgedReadings: Int,
            acknowledgedEvents: Int, deadLetters: Int, retries: Int, lanes: [Backlog]
        ) {
            self.output = output
            self.kind = kind
            self.isUp = isUp
            self.lastError = lastError
            self.acknowledgedReadings = acknowledgedReadings
            self.acknowledgedEvents = acknowledgedEvents
            self.deadLetters = deadLetters
            self.retries = retries
            self.lanes = lanes
        }
    }

    package struct Backlog: Codable, Sendable {
        package var lane: String
        package var waitingEvents: Int
        /// When the oldest that waits was committed.
        package var oldest: String?
        package var oldestAgeSeconds: Double?
        /// The sequence number of the next event to be sent.
        package var cursor: Int
        package var deadLetters: Int

        package init(
            lane: String, waitingEvents: Int, oldest: String?, oldestAgeSeconds: Double?, cursor: Int, deadLetters: Int
        ) {
            self.lane = lane
            self.waitingEvents = waitingEvents
            self.oldest = oldest
            self.oldestAgeSeconds = oldestAgeSeconds
            self.cursor = cursor
            self.deadLetters = deadLetters
        }
    }

    package struct OutboxReport: Codable, Sendable {
        package var epoch: String
        package var bytes: Int
        package var maxBytes: Int
        package var isSound: Bool

        package init(epoch: String, bytes: Int, maxBytes: Int, isSound: Bool) {
            self.epoch = epoch
            self.bytes = bytes
            self.maxBytes = maxBytes
            self.isSound = isSound
        }
    }

    package var gateway: String
    package var version: String
    package var startedAt: String
    package var totals: Totals
    package var outbox: OutboxReport
    package var outputs: [OutputStatus]
    package var devices: [DeviceStatus]

    package init(
        gateway: String, version: String, startedAt: String, totals: Totals, outbox: OutboxReport,
        outputs: [OutputStatus], devices: [DeviceStatus]
    ) {
        self.gateway = gateway
        self.version = version
        self.startedAt = startedAt
        self.totals = totals
        self.outbox = outbox
        self.outputs = outputs
        self.devices = devices
    }
}
