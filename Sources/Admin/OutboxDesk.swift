// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Schemas

/// Which events of the outbox are asked for.
public struct EventQuery: Sendable, Equatable {
    /// A whole id, or the end of one: `normal/18446`.
    public var id: String?
    public var device: String?
    public var lane: String?
    /// RFC 3339; of the events' own times.
    public var since: String?
    public var until: String?

    public init(
        id: String? = nil, device: String? = nil, lane: String? = nil, since: String? = nil, until: String? = nil
    ) {
        self.id = id
        self.device = device
        self.lane = lane
        self.since = since
        self.until = until
    }
}

/// Some of the events that are asked for.
public struct EventPage: Sendable {
    /// As JSON, a line each, oldest first within a lane.
    public var lines: [UInt8]
    /// Where the next page begins; nil at the end.
    public var next: String?

    public init(lines: [UInt8], next: String?) {
        self.lines = lines
        self.next = next
    }
}

/// What `verify` has found.
public struct OutboxVerdict: Codable, Sendable {
    /// Of a file that does not even open.
    public init(damage: String) {
        findings = [Finding(lane: "all", block: 0, problem: damage)]
    }

    public struct Finding: Codable, Sendable {
        public var lane: String
        public var block: Int
        public var problem: String

        public init(lane: String, block: Int, problem: String) {
            self.lane = lane
            self.block = block
            self.problem = problem
        }
    }

    public var blocks = 0
    public var events = 0
    public var readings = 0
    public var findings: [Finding] = []

    public init() {}
}

/// A dead letter, as it is shown.
public struct DeadLetterReport: Codable, Sendable {
    public var number: Int
    public var output: String
    public var id: String
    public var at: String
    public var reason: String
    /// Nil if it can no longer be read.
    public var event: JSONDocument?

    public init(number: Int, output: String, id: String, at: String, reason: String, event: JSONDocument?) {
        self.number = number
        self.output = output
        self.id = id
        self.at = at
        self.reason = reason
        self.event = event
    }
}

/// How many things were done.
public struct Count: Codable, Sendable {
    public var count: Int

    public init(_ count: Int) {
        self.count = count
    }
}

/// Why nothing was done.
public struct DeskError: CodedError {
    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// What can be asked of the outbox and told to it.
public protocol OutboxDesk: Sendable {
    /// - Parameter place: the `next` of the page before; nil for the first.
    func events(_ query: EventQuery, from place: String?) async throws -> EventPage
    func verify() async throws -> OutboxVerdict
    func deadLetters() async throws -> [DeadLetterReport]
    func drop(_ letters: [Int]) async throws -> Count
    func retry(_ letters: [Int]) async throws -> Count
    func replay(to output: String, since: String, until: String) async throws -> Count
}
