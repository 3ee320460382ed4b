// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What an event is about. The raw values are stored: never change the meaning of one.
public enum EventKind: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case telemetry = 0
    case status = 1
    case gap = 2
    case write = 3
    case alarm = 4
    case aggregate = 5

    public var name: String {
        switch self {
        case .telemetry: "telemetry"
        case .status: "status"
        case .gap: "gap"
        case .write: "write"
        case .alarm: "alarm"
        case .aggregate: "aggregate"
        }
    }

    /// CloudEvents' `type`.
    public var type: String { "headgate.\(name).v1" }
}

/// A device appears, goes offline or comes back.
public struct StatusChange: Hashable, Sendable {
    public enum State: UInt8, Sendable {
        case online = 0
        case offline = 1

        public var name: StaticString { self == .online ? "online" : "offline" }
    }

    public var state: State
    /// When it was first seen so: for `offline`, the first poll that failed.
    public var since: Timestamp
    public var reason: Reason

    public init(state: State, since: Timestamp, reason: Reason) {
        self.state = state
        self.since = since
        self.reason = reason
    }
}

/// Events that are lost, for whom, and why.
public struct Gap: Hashable, Sendable {
    /// The raw values are stored: never change the meaning of one.
    public enum Cause: UInt8, Sendable, CaseIterable {
        case maxSize = 0
        case maxAge = 1
        /// The database was gone when the gateway started.
        case databaseLost = 2
        /// A block no longer is what was written.
        case corruptBlock = 3
        /// Readings came faster than they could be stored.
        case overload = 4
        /// Dead letters that made room for newer ones.
        case deadLetters = 5
        /// The log of the last commits was gone or another's when the gateway started.
        case logLost = 6
        /// Old blocks kept only some values of each series.
        case thinned = 7
        /// The disk, or while that takes nothing the memory, had no room.
        case diskFull = 8
        /// Messages of more devices than they may bring.
        case tooManyDevices = 9

        public var name: StaticString {
            switch self {
            case .maxSize: "max_size"
            case .maxAge: "max_age"
            case .databaseLost: "database_lost"
            case .corruptBlock: "corrupt_block"
            case .overload: "overload"
            case .deadLetters: "dead_letters"
            case .logLost: "log_lost"
            case .thinned: "thinned"
            case .diskFull: "disk_full"
            case .tooManyDevices: "too_many_devices"
            }
        }
    }

    public var cause: Cause
    public var lane: Lane
    /// The first and the last event lost, by sequence. Equal to 0 where none had a number yet.
    public var first: UInt64
    public var last: UInt64
    public var count: UInt64
    public var since: Timestamp
    public var until: Timestamp
    /// The outputs that had not sent them; empty where the loss is everybody's.
    public var outputs: [String]

    public init(
        cause: Cause, lane: Lane, first: UInt64, last: UInt64, count: UInt64, since: Timestamp, until: Timestamp,
        outputs: [String]
    ) {
        self.cause = cause
        self.lane = lane
        self.first = first
        self.last = last
        self.count = count
        self.since = since
        self.until = until
        self.outputs = outputs
    }
}

/// What an event says beside its readings.
public enum EventDetail: Hashable, Sendable {
    case telemetry
    indirect case status(StatusChange)
    indirect case gap(Gap)
    indirect case write(WriteAttempt)
    indirect case alarm(Alarm)
    indirect case aggregate(Aggregate)

    public var kind: EventKind {
        switch self {
        case .telemetry: .telemetry
        case .status: .status
        case .gap: .gap
        case .write: .write
        case .alarm: .alarm
        case .aggregate: .aggregate
        }
    }
}

/// An event's name, the same however often it is sent.
public struct EventID: Hashable, Sendable, BitwiseCopyable {
    /// Drawn at random for each run, so that a database lost or put back never leads to a name used twice.
    public var epoch: UInt64
    public var lane: Lane
    public var sequence: UInt64

    public init(epoch: UInt64, lane: Lane, sequence: UInt64) {
        self.epoch = epoch
        self.lane = lane
        self.sequence = sequence
    }
}
