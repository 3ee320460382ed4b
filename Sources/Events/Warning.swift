// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Something that an operator should look at: it is in the log once, and in the status, on the page and in a metric for as
/// long as it lasts.
public struct Warning: Sendable, Equatable {
    /// What is wrong. The raw value is a label of the metric and stands in the status.
    public enum Kind: String, Sendable, CaseIterable {
        /// Readings that a rule needs are good and too old to count, for minutes on end: it can raise no alarm.
        case ruleInputsStale = "rule_inputs_stale"
        /// A rule's condition holds again and again, and its readings come too seldom to say for how long.
        case ruleHoldUnknown = "rule_hold_unknown"
        /// A link does not come up, or went down.
        case linkDown = "link_down"
        /// Another client uses a link's client id: each throws the other out.
        case clientIDTaken = "client_id_taken"
        /// A session of an earlier client id is left at a broker.
        case sessionLeft = "session_left"
        /// A broker does not allow a topic.
        case subscriptionRefused = "subscription_refused"
        /// Messages gave nothing.
        case messageRefused = "message_refused"
        /// Messages brought more devices than they may.
        case tooManyDevices = "too_many_devices"
        /// Messages of two topics are taken for one device.
        case devicesMerged = "devices_merged"
        /// A device loses more than a few per cent of its polls.
        case pollsLost = "polls_lost"
        /// Another unit answers than the one that is asked.
        case otherUnitAnswered = "other_unit_answered"
        /// A device answers, and refuses all that it is asked for.
        case allPointsRefused = "all_points_refused"
        /// A point was never read since the start.
        case pointNeverRead = "point_never_read"
        /// A device sends a time that cannot be.
        case deviceTime = "device_time_refused"
        /// Events are lost, and a gap event says which.
        case eventsLost = "events_lost"

        /// The part of the log that it stands in.
        public var part: String {
            switch self {
            case .ruleInputsStale, .ruleHoldUnknown: "rules"
            case .pollsLost, .otherUnitAnswered, .allPointsRefused: "modbus"
            case .pointNeverRead: "agent"
            case .eventsLost: "outbox"
            case .linkDown, .clientIDTaken, .sessionLeft, .subscriptionRefused, .messageRefused, .tooManyDevices,
                .devicesMerged, .deviceTime:
                "mqtt"
            }
        }

        /// Whether it comes about again and again, and is over where it does not for an hour. The others last until they
        /// are cleared.
        public var isOfEvents: Bool {
            switch self {
            case .messageRefused, .tooManyDevices, .devicesMerged, .deviceTime, .eventsLost: true
            case .ruleInputsStale, .ruleHoldUnknown, .linkDown, .clientIDTaken, .sessionLeft, .subscriptionRefused,
                .pollsLost, .otherUnitAnswered, .allPointsRefused, .pointNeverRead:
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
    /// How often it has come about since.
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

/// Where parts report what an operator should look at.
public protocol WarningSink: Sendable {
    /// Reports that something is wrong, or that it came about once more.
    /// - Parameters:
    ///   - subject: the device, link, rule or output that it is about.
    ///   - count: how often it came about since the last report.
    ///   - text: what is wrong, in a sentence.
    ///   - next: what to do about it.
    func warn(_ kind: Warning.Kind, of subject: String, count: Int, _ text: String, next: String)

    /// Reports that it is over.
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
