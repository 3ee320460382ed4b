// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What the database may grow to on a disk that has less than `max_size`.
///
/// The outbox's share of a disk is what it has there and what is free. It keeps off its end, so that it lets go of the
/// oldest on the disk and not of the newest in memory. A share that somebody else takes a part of for a moment stays what
/// it was: nothing is let go for that.
struct DiskRoom {
    /// How long a share has to be smaller for anything to be let go for that.
    static let patience = Duration.seconds(10)

    private let maxSize: Int64
    private let reserve: Int64
    private var share = Int64.max
    private var smallerSince: ContinuousClock.Instant?

    /// - Parameters: in bytes.
    ///   - reserve: what is left free of the share: the log, and what deleting writes.
    init(maxSize: Int64, reserve: Int64) {
        self.maxSize = maxSize
        self.reserve = reserve
    }

    /// Bytes that the database may have: of a disk that is too small for the reserve, a quarter.
    var limit: Int64 { min(maxSize, max(share / 4, share - reserve)) }

    var isBelowMaxSize: Bool { limit < maxSize }

    /// - Parameter seen: bytes of the share now.
    mutating func look(share seen: Int64, now: ContinuousClock.Instant) {
        guard seen < share, share < .max else { return set(seen) }
        let since = smallerSince ?? now
        smallerSince = since
        if since.duration(to: now) >= Self.patience { set(seen) }
    }

    /// Something had to be let go: what the share is now, it is.
    mutating func set(_ seen: Int64) {
        share = seen
        smallerSince = nil
    }
}
