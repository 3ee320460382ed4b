// Headgate
// SPDX-License-Identifier: Apache-2.0

/// One of those that the outbox keeps a cursor for.
public struct OutboxOutput: Sendable, Equatable {
    public var name: String
    /// Everything in the order in which it was committed, also after an outage: fresh events wait for the backlog.
    public var isInOrder: Bool

    public init(name: String, isInOrder: Bool = false) {
        self.name = name
        self.isInOrder = isInOrder
    }
}
