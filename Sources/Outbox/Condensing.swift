// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What makes events of readings over time.
///
/// The outbox hands it the readings of each commit, and keeps them and what is open in the same transactions: after a crash
/// it goes on with exactly those that were committed. What it says depends on nothing else.
public protocol Condensing: Sendable {
    /// Takes readings.
    /// - Returns: events that they, or the time, bring about.
    mutating func take(_ readings: [Reading], at now: Timestamp) -> Batch

    /// When it has something to say even where nothing comes, by the system's clock.
    var nextDue: Timestamp? { get }

    /// All that is open.
    var state: [UInt8] { get }

    /// Whether readings cannot be heard again without a newer state than the last that was kept.
    var isChanged: Bool { get }

    /// The state is kept.
    mutating func wasKept()

    /// Goes back to a state.
    mutating func restore(_ state: [UInt8]) throws

    /// Goes on from there, by what is wanted now.
    mutating func resume() -> Batch
}
