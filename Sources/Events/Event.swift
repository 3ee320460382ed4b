// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What an event is about. The raw values are stored: never change the meaning of one.
package enum EventKind: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case telemetry = 0
    case status = 1
    case gap = 2

    package var name: String {
        switch self {
        case .telemetry: "telemetry"
        case .status: "status"
        case .gap: "gap"
        }
    }

    /// CloudEvents' `type`.
    package var type: String { "headgate.\(name).v1" }
}

/// A device appears, goes offline or comes back.
package struct StatusChange: Hashable, Sendable {
    package enum State: UInt8, Sendable {
        case online = 0
        case offline = 1

        package var name: StaticString { self == .online ? "online" : "offline" }
    }

    package var state: State
    /// When it was first seen so: for `offline`, the first poll that failed.
    package var since: Timestamp
    package var reason: Reason

    package init(state: State, since: Timestamp, reason: Reason) {
        self.state = state
        self.since = since
        self.reason = reason
    }
}

/// Events that are lost, for whom, and why.
package struct Gap: Hashable, Sendable {
    /// The raw values are stored: never change the meaning of one.
    package enum Cause: UInt8, Sendable {
        case maxSize = 0
        case maxAge = 1
        /// The database was gone when the gateway started.
        case databaseLost = 2
        /// A block no longer is what was written.
        case corruptBlock = 3
        /// Readings came faster than they could be stored.
        case overload = 4

        package var name: StaticString {
            switch self {
            case .maxSize: "max_size"
            case .maxAge: "max_age"
            case .databaseLost: "database_lost"
            case .corruptBlock: "corrupt_block"
            case .overload: "overload"
            }
        }
    }

    package var cause: Cause
    package var lane: Lane
    /// The first and the last event lost, by sequence. Equal to 0 where none had a number yet.
    package var first: UInt64
    package var last: UInt64
    package var count: UInt64
    package var since: Timestamp
    package var until: Timestamp
    /// The outputs that had not sent them; empty where the loss is everybody's.
    package var outputs: [String]

    package init(
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
package enum EventDetail: Hashable, Sendable {
    case telemetry
    indirect case status(StatusChange)
    indirect case gap(Gap)

    package var kind: EventKind {
        switch self {
        case .telemetry: .telemetry
        case .status: .status
        case .gap: .gap
        }
    }
}

/// An event's name, the same however often it is sent.
package struct EventID: Hashable, Sendable, BitwiseCopyable {
    /// Drawn at random for each database, so that a lost one never reuses names.
    package var epoch: UInt64
    package var lane: Lane
    package var sequence: UInt64

    package init(epoch: UInt64, lane: Lane, sequence: UInt64) {
        self.epoch = epoch
        self.lane = lane
        self.sequence = sequence
    }
}
