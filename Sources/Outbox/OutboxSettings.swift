// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// How much the outbox keeps, what goes when that is not enough, and how soon it commits.
public struct OutboxSettings: Sendable {
    /// What a lane does when there is no room for more.
    public enum WhenFull: String, Sendable, CaseIterable {
        /// The oldest blocks go.
        case dropOldest = "drop_oldest"
        /// What comes new is let go.
        case dropNewest = "drop_newest"
        /// Old blocks keep the least, the greatest and the last value of each series in each interval; the oldest go
        /// only where that is not enough.
        case thin
        /// Nothing new is taken: a source that can wait does, what is polled is let go.
        case pause
    }

    /// The folder of the database and what belongs to it.
    public var folder: String
    /// Bytes of the database.
    public var maxSize: Int64 = 1 << 30
    /// Microseconds that a block is kept for an output that does not take it.
    public var maxAge: Int64 = 7 * 86_400 * 1_000_000
    /// Microseconds that a block is kept after every output has it, where there is room, for `replay`.
    public var keepSent: Int64 = 0
    /// Bytes that may wait in memory: half of it before a commit, half while the disk takes nothing.
    public var maxMemory = 32 << 20
    /// By lane: critical, normal, bulk.
    public var whenFull = PerLane(repeating: WhenFull.dropOldest)
    /// Microseconds that a thinned block keeps three values of.
    public var thinInterval: Int64 = 60_000_000
    /// What an output has not got for longer is backlog, and fresh events go before it.
    public var freshFor = Duration.seconds(10)
    public var limits = Intake.Limits()
    /// What the events are sealed with on the disk.
    public var keys = KeyRing.none

    public init(folder: String) {
        self.folder = folder
    }

    var files: Folder { Folder(path: folder) }

    /// Pages that the log may grow to before it is copied into the database. Twice as many save a sixth of what is
    /// written; a small outbox has a small log.
    var logPages: Int { min(2_000, max(128, Int(clamping: maxSize / Database.pageSize / 16))) }

    /// Larger than the log and the largest commit together.
    var ballastSize: Int64 { Int64(logPages) * Database.pageSize * 3 / 2 }

    /// The database's own end of all things, a little beyond what retention keeps to, dead letters included.
    var maxPages: Int64 {
        let (beyond, isTooMuch) = maxSize.addingReportingOverflow(maxSize / 5 + 64 << 20)
        return (isTooMuch ? maxSize : beyond) / Database.pageSize
    }
}
