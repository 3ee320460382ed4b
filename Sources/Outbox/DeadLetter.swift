// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// An event that an output's broker will never take, kept with the reason.
package struct DeadLetter: Sendable {
    package var epoch: UInt64
    package var lane: Lane
    package var sequence: UInt64
    package var at: Timestamp
    package var reason: String
    /// The event alone.
    package var event: Batch

    package init(epoch: UInt64, lane: Lane, sequence: UInt64, at: Timestamp, reason: String, event: Batch) {
        self.epoch = epoch
        self.lane = lane
        self.sequence = sequence
        self.at = at
        self.reason = reason
        self.event = event
    }
}
