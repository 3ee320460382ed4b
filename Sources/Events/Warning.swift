// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A condition that needs an operator: in the log once, and in the status, on the page and in a metric while it lasts.
public struct Warning: Sendable, Equatable {
    /// What is wrong. The raw value is a label of the metric and stands in the status.
    public enum Kind: String, Sendable, CaseIterable {
        /// A rule cannot raise an alarm: the readings of an input have been good but too old for minutes.
        case ruleInputsStale = "rule_inputs_stale"
        /// A rule's condition holds, but its readings are too rare to confirm it for `for`.
        case ruleHoldUnknown = "rule_hold_unknown"
        /// A link does not come up, or went down.
        case linkDown = "link_down"
        /// Another client uses a link's client id: the broker disconnects one for the other.
        case clientIDTaken = "client_id_taken"
        /// A session of an earlier client id is left at a broker.
        case sessionLeft = "session_left"
        /// A broker does not allow a topic.
        case subscriptionRefused = "subscription_refused"
        /// Messages gave no reading.
        case messageRefused = "message_refused"
        /// Messages came from more devices than `max_devices`.
        case tooManyDevices = "too_many_devices"
        /// Messages of two topics have the same device id.
        case devicesMerged = "devices_merged"
        /// A device loses more than a few per cent of its polls.
        case pollsLost = "polls_lost"
        /// Another unit answers than the one that is asked.
        case otherUnitAnswered = "other_unit_answered"
        /// A connection to a port that a device dials is not the device's, or cannot be served.
        case dialInRefused = "dial_in_refused"
        /// A device rejects every request with an exception.
        case allPointsRefused = "all_points_refused"
        /// No message of a device has come since the start.
        case neverHeard = "never_heard"
        /// A point was never read since the start.
        case pointNeverRead = "point_never_read"
        /// A device sends an impossible or unreadable time.
        case deviceTime = "device_time_refused"
        /// A device sends no time, though its map says where it is.
        case deviceTimeMissing = "device_time_missing"
        /// An output cannot send.
        case outputDown = "output_down"
        /// A broker refuses a topic of an output: it is missing, or not allowed.
        case topicRefused = "topic_refused"
        /// A file of the state folder cannot be read.
        case stateFileDamaged = "state_file_damaged"
        /// Events are lost, and a gap event says which.
        case eventsLost = "events_lost"
        /// A web page, or something else that does not know this gateway, sent a request to the admin address.
        case adminRequestRefused = "admin_request_refused"
        /// The admin address closes waiting connections, because too many are open.
        case adminConnectionsClosed = "admin_connections_closed"

        /// The part of the gateway whose log has it.
        public var part: String {
            switch self {
            case .ruleInputsStale, .ruleHoldUnknown: "rules"
            case .pollsLost, .otherUnitAnswered, .allPointsRefused, .dialInRefused: "modbus"
            // Of Modbus and MQTT.
            case .linkDown, .neverHeard, .pointNeverRead, .stateFileDamaged: "agent"
            case .outputDown, .topicRefused: "outputs"
            case .eventsLost: "outbox"
            case .adminRequestRefused, .adminConnectionsClosed: "admin"
            case .clientIDTaken, .sessionLeft, .subscriptionRefused, .messageRefused, .tooManyDevices, .devicesMerged,
                .deviceTime, .deviceTimeMissing:
                "mqtt"
            }
        }

        /// Whether it is reported for each occurrence, and over after an hour without one. The others last until they are
        /// cleared.
        public var isOfEvents: Bool {
            switch self {
            case .messageRefused, .tooManyDevices, .devicesMerged, .deviceTime, .eventsLost, .adminRequestRefused,
                .adminConnectionsClosed, .dialInRefused, .stateFileDamaged:
                true
            case .ruleInputsStale, .ruleHoldUnknown, .linkDown, .clientIDTaken, .sessionLeft, .subscriptionRefused,
                .pollsLost, .otherUnitAnswered, .allPointsRefused, .neverHeard, .pointNeverRead, .deviceTimeMissing,
                .outputDown, .topicRefused:
                false
            }
        }
    }

    public var kind: Kind
    /// The device, link, rule or output that it is about, and what of it.
    public var subject: String
    /// What is wrong, in a sentence.
    public var text: String
    /// What to do about it.
    public var next: String
    public var since: Timestamp
    public var last: Timestamp
    /// The number of occurrences.
    public var count: Int

    public init(
        kind: Kind, subject: String, text: String, next: String, since: Timestamp, last: Timestamp, count: Int
    ) {
        self.kind = kind
        self.subject = subject
        self.text = text
        self.next = next
        self.since = since
        self.last = last
        self.count = count
    }
}

/// Receives the warnings of all parts.
public protocol WarningSink: Sendable {
    /// Reports a condition, or further occurrences of it.
    /// - Parameters:
    ///   - subject: the device, link, rule or output that it is about.
    ///   - count: the occurrences since the last report.
    ///   - text: what is wrong, in a sentence.
    ///   - next: what to do about it.
    func warn(_ kind: Warning.Kind, of subject: String, count: Int, _ text: String, next: String)

    /// Reports that a condition is over.
    func clear(_ kind: Warning.Kind, of subject: String)
}

extension WarningSink {
    public func warn(_ kind: Warning.Kind, of subject: String, _ text: String, next: String) {
        warn(kind, of: subject, count: 1, text, next: next)
    }
}

/// Forgets all warnings: for one-off questions to a device.
public struct NoWarnings: WarningSink {
    public init() {}
    public func warn(_ kind: Warning.Kind, of subject: String, count: Int, _ text: String, next: String) {}
    public func clear(_ kind: Warning.Kind, of subject: String) {}
}
