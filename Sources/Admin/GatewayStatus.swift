// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Schemas

/// What the gateway says of itself: `GET /api/status`, and what the page and `headgate status` show.
public struct GatewayStatus: Codable, Sendable {
    public struct Totals: Codable, Sendable, Equatable {
        /// Readings that came in, from polls and messages.
        public var received: Int
        /// Of those, readings that the deadband filtered.
        public var filtered: Int
        /// Of those, readings that were dropped because they came faster than they could be stored.
        public var dropped: Int
        /// Of those, readings in the outbox or sent.
        public var committed: Int

        public init(received: Int, filtered: Int, dropped: Int, committed: Int) {
            self.received = received
            self.filtered = filtered
            self.dropped = dropped
            self.committed = committed
        }
    }

    public struct DeviceStatus: Codable, Sendable {
        public var device: String
        public var map: String
        public var link: String
        /// online, refusing (it rejects every request), offline, unknown or computed.
        public var state: String
        /// Since the start; nil where it is not polled.
        public var polls: Int?
        public var failedPolls: Int?
        /// Points without a reading since the start.
        public var neverRead: [String]
        public var points: [PointStatus]

        public init(
            device: String, map: String, link: String, state: String, polls: Int? = nil, failedPolls: Int? = nil,
            neverRead: [String] = [], points: [PointStatus]
        ) {
            self.polls = polls
            self.failedPolls = failedPolls
            self.neverRead = neverRead
            self.device = device
            self.map = map
            self.link = link
            self.state = state
            self.points = points
        }
    }

    public struct PointStatus: Codable, Sendable {
        public var point: String
        /// Null for a reading without a value.
        public var value: JSONDocument
        public var unit: String
        public var quality: String
        public var reason: String?
        /// The code of the reason.
        public var code: String?
        public var time: String

        public init(
            point: String, value: JSONDocument, unit: String, quality: String, reason: String?, code: String?,
            time: String
        ) {
            self.point = point
            self.value = value
            self.unit = unit
            self.quality = quality
            self.reason = reason
            self.code = code
            self.time = time
        }
    }

    public struct LinkStatus: Codable, Sendable {
        public var link: String
        /// The device file, or host and port.
        public var address: String
        /// Nil until the first attempt has come to an end.
        public var up: Bool?
        /// The time of the last change between up and down.
        public var since: String?
        /// Why it is down.
        public var reason: String?
        public var lastReceived: String?
        /// Of a port that a device dials: the number of connections by what became of them.
        public var dialIns: [String: Int]?

        public init(
            link: String, address: String, up: Bool?, since: String?, reason: String?, lastReceived: String?,
            dialIns: [String: Int]?
        ) {
            self.link = link
            self.address = address
            self.up = up
            self.since = since
            self.reason = reason
            self.lastReceived = lastReceived
            self.dialIns = dialIns
        }
    }

    public struct OutputStatus: Codable, Sendable {
        public var output: String
        public var kind: String
        /// True while the last try succeeded or none has been made.
        public var up: Bool
        public var lastError: String?
        /// Readings and events that its broker has acknowledged since the start.
        public var acknowledgedReadings: Int
        public var acknowledgedEvents: Int
        public var deadLetters: Int
        public var retries: Int
        public var lanes: [Backlog]

        public init(
            output: String, kind: String, up: Bool, lastError: String?, acknowledgedReadings: Int,
            acknowledgedEvents: Int, deadLetters: Int, retries: Int, lanes: [Backlog]
        ) {
            self.output = output
            self.kind = kind
            self.up = up
            self.lastError = lastError
            self.acknowledgedReadings = acknowledgedReadings
            self.acknowledgedEvents = acknowledgedEvents
            self.deadLetters = deadLetters
            self.retries = retries
            self.lanes = lanes
        }
    }

    public struct Backlog: Codable, Sendable {
        public var lane: String
        public var waitingEvents: Int
        /// When the oldest that waits was committed.
        public var oldest: String?
        public var oldestAgeSeconds: Double?
        /// The sequence number of the next event to be sent.
        public var cursor: Int
        public var deadLetters: Int
        /// Topics that the broker refuses: their events wait, those of other topics are sent.
        public var heldTopics: [HeldTopic]

        public init(
            lane: String, waitingEvents: Int, oldest: String?, oldestAgeSeconds: Double?, cursor: Int, deadLetters: Int,
            heldTopics: [HeldTopic]
        ) {
            self.lane = lane
            self.waitingEvents = waitingEvents
            self.oldest = oldest
            self.oldestAgeSeconds = oldestAgeSeconds
            self.cursor = cursor
            self.deadLetters = deadLetters
            self.heldTopics = heldTopics
        }
    }

    public struct HeldTopic: Codable, Sendable {
        public var topic: String
        /// Those that wait for it; counted in `waitingEvents` too.
        public var events: Int

        public init(topic: String, events: Int) {
            self.topic = topic
            self.events = events
        }
    }

    /// Events that are lost.
    public struct LossStatus: Codable, Sendable {
        public var output: String
        /// As in gap events.
        public var cause: String
        public var code: String
        /// 0 where the number is unknown.
        public var events: Int
        public var since: String
        public var last: String

        public init(output: String, cause: Gap.Cause, events: Int, since: String, last: String) {
            self.output = output
            self.cause = "\(cause.name)"
            self.code = cause.code?.description ?? ""
            self.events = events
            self.since = since
            self.last = last
        }
    }

    public struct OutboxReport: Codable, Sendable {
        public var epoch: String
        public var bytes: Int
        public var maxBytes: Int
        /// False while what comes in is not stored, or only in memory.
        public var healthy: Bool
        /// What is wrong with the disk or the file.
        public var trouble: String?
        /// What this process has caused to be written to disks, and a day at the rate of the last hour; nil where the system
        /// does not say.
        public var writtenBytes: Int?
        public var writtenBytesPerDay: Int?
        /// The keys that something in it is sealed with, the one that seals now first; empty where nothing is.
        public var keys: [String]
        /// The lost events by output and cause, also from before the last start.
        public var losses: [LossStatus]

        public init(
            epoch: String, bytes: Int, maxBytes: Int, healthy: Bool, trouble: String?, writtenBytes: Int?,
            writtenBytesPerDay: Int?, keys: [String], losses: [LossStatus]
        ) {
            self.losses = losses
            self.epoch = epoch
            self.bytes = bytes
            self.maxBytes = maxBytes
            self.healthy = healthy
            self.trouble = trouble
            self.writtenBytes = writtenBytes
            self.writtenBytesPerDay = writtenBytesPerDay
            self.keys = keys
        }
    }

    /// An alarm that is under way.
    public struct AlarmStatus: Codable, Sendable {
        public var alarm: String
        public var rule: String
        public var device: String
        public var priority: String
        public var since: String
        public var text: String
        /// Whether the last that was heard is that it goes on.
        public var confirmed: Bool

        public init(
            alarm: String, rule: String, device: String, priority: String, since: String, text: String,
            confirmed: Bool
        ) {
            self.alarm = alarm
            self.rule = rule
            self.device = device
            self.priority = priority
            self.since = since
            self.text = text
            self.confirmed = confirmed
        }
    }

    /// A warning that is active.
    public struct WarningStatus: Codable, Sendable {
        /// The kind, stable for scripts; see docs/operations/monitoring.md.
        public var warning: String
        /// For `headgate explain`.
        public var code: String
        /// The device, link, rule or output that it is about.
        public var subject: String
        public var text: String
        /// What to do about it.
        public var next: String
        public var since: String
        public var last: String
        /// The number of occurrences.
        public var count: Int

        public init(_ warning: Warning) {
            (self.warning, subject) = (warning.kind.rawValue, warning.subject)
            code = warning.kind.code.description
            (text, next) = (warning.text, warning.next)
            (since, last, count) = (warning.since.iso8601, warning.last.iso8601, warning.count)
        }
    }

    public var gateway: String
    public var version: String
    public var startedAt: String
    public var totals: Totals
    public var outbox: OutboxReport
    public var links: [LinkStatus]
    public var outputs: [OutputStatus]
    public var devices: [DeviceStatus]
    /// The most urgent first.
    public var alarms: [AlarmStatus]
    /// The active warnings, the oldest first.
    public var warnings: [WarningStatus]

    public init(
        gateway: String, version: String, startedAt: String, totals: Totals, outbox: OutboxReport,
        links: [LinkStatus], outputs: [OutputStatus], devices: [DeviceStatus], alarms: [AlarmStatus],
        warnings: [WarningStatus]
    ) {
        self.gateway = gateway
        self.version = version
        self.startedAt = startedAt
        self.totals = totals
        self.outbox = outbox
        self.links = links
        self.outputs = outputs
        self.devices = devices
        self.alarms = alarms
        self.warnings = warnings
    }
}
