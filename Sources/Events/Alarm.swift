// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What a rule watches for has come about, goes on, or is over.
public struct Alarm: Hashable, Sendable {
    /// The raw values are stored: never change the meaning of one.
    public enum Phase: UInt8, Sendable, CaseIterable {
        case start = 0
        case `continue` = 1
        case end = 2

        public var name: StaticString {
            switch self {
            case .start: "start"
            case .continue: "continue"
            case .end: "end"
            }
        }
    }

    /// The words of IEC 60601-1-8, clause 6.1.2. The raw values are stored.
    public enum Priority: UInt8, Sendable, CaseIterable {
        case high = 1
        case medium = 2
        case low = 3

        public var name: StaticString {
            switch self {
            case .high: "high"
            case .medium: "medium"
            case .low: "low"
            }
        }
    }

    /// Why an event of an alarm is told that goes on, or ended by itself. The raw values are stored.
    public enum Remark: UInt8, Sendable, CaseIterable {
        case none = 0
        /// No reading says any more whether it is over: it goes on.
        case unconfirmed = 1
        /// Readings say again that it goes on.
        case confirmed = 2
        /// It is told again from time to time.
        case repeated = 3
        /// Its rule or its device is no longer in the configuration.
        case removed = 4

        public var name: StaticString {
            switch self {
            case .none: "none"
            case .unconfirmed: "unconfirmed"
            case .confirmed: "confirmed"
            case .repeated: "repeated"
            case .removed: "removed"
            }
        }
    }

    /// How a point is beside what it was like while all was well.
    public struct Evidence: Hashable, Sendable {
        public var series: SeriesNumber
        /// `cusum` or `ewma`.
        public var detector: String
        /// 1 at the limit.
        public var score: Double
        public var mean: Double
        public var deviation: Double
        /// What mean and deviation were learnt from.
        public var readings: Int

        public init(
            series: SeriesNumber, detector: String, score: Double, mean: Double, deviation: Double, readings: Int
        ) {
            self.series = series
            self.detector = detector
            self.score = score
            self.mean = mean
            self.deviation = deviation
            self.readings = readings
        }
    }

    /// The same in all events of an alarm: `RULE/DEVICE/` and when it began.
    public var id: String
    public var rule: String
    public var phase: Phase
    public var priority: Priority
    /// When it began.
    public var since: Timestamp
    public var remark: Remark
    /// For people; empty where the rule has none.
    public var text: String
    public var evidence: [Evidence] = []

    public init(
        id: String, rule: String, phase: Phase, priority: Priority, since: Timestamp, remark: Remark = .none,
        text: String = ""
    ) {
        self.id = id
        self.rule = rule
        self.phase = phase
        self.priority = priority
        self.since = since
        self.remark = remark
        self.text = text
    }
}
