// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What of leaving the disk and of returning to it is worth a line in the log. On a disk that stays full both may happen every
/// few seconds.
struct DiskNews {
    enum Leaving {
        case once
        /// Soon after a return: further ones are not logged.
        case again
        case known
    }

    /// So long the outbox has to be on the disk for the next failure to be a new one.
    private static let settled = Duration.seconds(60)

    private var returned: ContinuousClock.Instant?
    private var isQuiet = false

    mutating func leaves(at now: ContinuousClock.Instant) -> Leaving {
        guard let returned, returned.duration(to: now) < Self.settled else {
            isQuiet = false
            return .once
        }
        defer { isQuiet = true }
        return isQuiet ? .known : .again
    }

    /// - Returns: whether it is logged.
    mutating func returns(at now: ContinuousClock.Instant) -> Bool {
        returned = now
        return !isQuiet
    }

    /// - Returns: whether the outbox has stayed on the disk for long enough, which is logged then.
    mutating func settles(at now: ContinuousClock.Instant) -> Bool {
        guard isQuiet, let returned, returned.duration(to: now) >= Self.settled else { return false }
        isQuiet = false
        return true
    }
}
