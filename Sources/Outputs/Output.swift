// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events

/// Takes events to one broker, in order.
public protocol Output: Sendable {
    /// Sends messages and waits for the broker to take them. Returns early where the task is cancelled.
    func send(_ messages: Outgoing) async -> SendOutcome

    /// Goes on after what was settled in a life before: see `SendOutcome.marks`. Called once, before anything is sent.
    func resume(after marks: [String: Int64]) async

    /// What keeps a window that is under way from its broker, or nil.
    var trouble: String? { get }

    /// Keeps the connection alive while there is nothing to send. Called every `tendInterval`.
    func tend() async

    /// Seconds, but where somebody waits for an answer.
    var tendInterval: Duration { get }

    /// Lets go of the connection.
    func close() async
}

extension Output {
    public func resume(after marks: [String: Int64]) {}

    public var trouble: String? { nil }

    public var tendInterval: Duration { .seconds(5) }
}

/// What became of a window of messages.
public struct SendOutcome: Sendable {
    /// How many of the first there is a final answer to: they are taken, or listed in `rejected` or `refusedTopics`.
    public var settled: Int
    /// Those among the settled that the broker will never take.
    public var rejected: [Rejection]
    /// Those among the settled whose topic the broker does not take now: their events are to be sent later.
    public var refusedTopics: [Rejection] = []
    /// Why the rest is not settled; it is to be sent again.
    public var failure: OutputFailure?
    /// How far the settled ones bring each place at the broker (a partition, say), where the output wants to know it after
    /// a restart; kept together with the cursor.
    public var marks: [String: Int64] = [:]

    public struct Rejection: Sendable {
        public var message: Int
        public var reason: String
    }

    public init(settled: Int, rejected: [Rejection] = [], failure: OutputFailure? = nil) {
        self.settled = settled
        self.rejected = rejected
        self.failure = failure
    }

    /// From what is known of each message: nil where nothing is.
    init(_ verdicts: [Verdict?], failure: OutputFailure?) {
        settled = verdicts.firstIndex { $0?.isSettled != true } ?? verdicts.count
        rejected = verdicts.prefix(settled).enumerated().compactMap { index, verdict in
            if case .rejected(let reason) = verdict { Rejection(message: index, reason: reason) } else { nil }
        }
        refusedTopics = verdicts.prefix(settled).enumerated().compactMap { index, verdict in
            if case .refusedTopic(let reason) = verdict { Rejection(message: index, reason: reason) } else { nil }
        }
        self.failure = failure
        if failure == nil, settled < verdicts.count, case .failed(let reason) = verdicts[settled] {
            self.failure = OutputFailure(reason)
        }
    }

    /// The answers to the first messages alone.
    public func first(_ count: Int, failure: OutputFailure?) -> SendOutcome {
        var first = self
        first.settled = min(settled, count)
        first.rejected.removeAll { $0.message >= count }
        first.refusedTopics.removeAll { $0.message >= count }
        first.failure = failure
        return first
    }
}

/// What became of one message.
enum Verdict {
    case delivered
    case rejected(String)
    case refusedTopic(String)
    case failed(String)
    /// Refused together with the others of its request.
    case refusedInBatch(String)

    var isSettled: Bool {
        switch self {
        case .delivered, .rejected, .refusedTopic: true
        case .failed, .refusedInBatch: false
        }
    }
}

/// Why an output cannot send now. Never holds values or secrets.
public struct OutputFailure: CodedError, Equatable {
    public var code: Code { .brokerDoesNotRespond }
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
