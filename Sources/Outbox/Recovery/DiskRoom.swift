// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What the database may grow to on a disk.
///
/// The outbox's share of a disk is what it has there and what is free. It keeps off its end, so that it lets go of the
/// oldest on the disk and not of the newest in memory. A share that somebody else takes a part of for a moment stays what
/// it was: nothing is let go for that.
struct DiskRoom {
    /// How long a share has to be smaller for anything to be let go for that.
    static let patience = Duration.seconds(10)
    /// How often to look. With each copying of the log, too: a disk is filled by what the log brings.
    static let interval = Duration.seconds(5)

    private let reserve: Int64
    private var share = Int64.max
    /// The largest share since it was smaller than it had been.
    private var smaller: (since: ContinuousClock.Instant, largest: Int64)?
    private var lookedAt: ContinuousClock.Instant?

    /// - Parameter reserve: bytes that are left free of the share: the log, and what deleting writes.
    init(reserve: Int64) {
        self.reserve = reserve
    }

    /// Bytes that the database may have; of a disk too small for the reserve, a third of that.
    var limit: Int64 { max(reserve / 3, share - reserve) }

    var nextLook: ContinuousClock.Instant { lookedAt.map { $0 + Self.interval } ?? .now }

    /// - Parameter seen: bytes of the share now.
    mutating func look(share seen: Int64, now: ContinuousClock.Instant) {
        lookedAt = now
        guard seen < share, share < .max else { return set(seen) }
        let since = smaller?.since ?? now
        let largest = max(seen, smaller?.largest ?? seen)
        smaller = (since, largest)
        if since.duration(to: now) >= Self.patience { set(largest) }
    }

    /// Something had to be let go: what the share is now, it is.
    mutating func set(_ seen: Int64) {
        share = seen
        smaller = nil
    }
}
