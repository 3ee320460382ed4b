// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The connections to one peer that ended soon after they were made: a peer that accepts and closes is not worth a line in the
/// log each time.
public struct ShortConnections: Sendable {
    /// A connection that lasts this long is not short.
    private static let short = Duration.seconds(5)
    /// A broker that is restarted may close one or two.
    private static let mostLogged = 3

    private var began: ContinuousClock.Instant?
    /// How many came one after the other.
    public private(set) var count = 0

    public init() {}

    /// - Returns: whether it is logged.
    public mutating func begins(at now: ContinuousClock.Instant) -> Bool {
        began = now
        return count < Self.mostLogged
    }

    /// The connection has ended, if there was one.
    /// - Returns: whether it was short; nil if no connection had been made.
    @discardableResult
    public mutating func ends(at now: ContinuousClock.Instant) -> Bool? {
        guard let began else { return nil }
        self.began = nil
        let isShort = began.duration(to: now) < Self.short
        count = isShort ? count + 1 : 0
        return isShort
    }
}
