// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// An event that an output's broker will never take, kept with the reason.
public struct DeadLetter: Sendable {
    public var epoch: UInt64
    public var lane: Lane
    public var sequence: UInt64
    public var at: Timestamp
    public var reason: String
    /// The event alone.
    public var event: Batch

    public init(epoch: UInt64, lane: Lane, sequence: UInt64, at: Timestamp, reason: String, event: Batch) {
        self.epoch = epoch
        self.lane = lane
        self.sequence = sequence
        self.at = at
        self.reason = reason
        self.event = event
    }
}
