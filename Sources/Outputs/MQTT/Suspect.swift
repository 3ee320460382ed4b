// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A message that may be the reason why the broker closes the connection: MQTT 3.1.1 has no other way to refuse one
/// that is too large.
///
/// Where a connection ends twice with the same large message first in line, that is sent alone; where it ends a third
/// time, the message is rejected. A small one never is: then it is the network.
struct Suspect {
    private static let size = 16_384
    private static let strikesUntilRejected = 3
    private var strikes = 0
    private var message: Outgoing.Message?

    var isSuspected: Bool { strikes >= Self.strikesUntilRejected - 1 }

    mutating func clear() {
        strikes = 0
    }

    mutating func judge(_ outcome: SendOutcome, _ window: Outgoing) -> SendOutcome {
        guard outcome.settled == 0, let first = window.messages.first, first.payload.count >= Self.size else {
            strikes = 0
            return outcome
        }
        let isSame = message.map { $0.key == first.key && $0.time == first.time && $0.topic == first.topic } ?? false
        strikes = isSame ? strikes + 1 : 1
        message = first
        guard strikes >= Self.strikesUntilRejected else { return outcome }
        strikes = 0
        let reason = "the broker closes the connection on it; \(first.payload.count) bytes may be larger than it takes"
        return SendOutcome(settled: 1, rejected: [.init(message: 0, reason: reason)], failure: outcome.failure)
    }
}
