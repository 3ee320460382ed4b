// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// The losses that are not yet announced.
///
/// A loss often goes on for hours, a block at a time. It is noted at once, in the transaction that loses it, and grows
/// in place; its event is sent when it has rested for a while, or after a minute at the latest.
struct LossLedger {
    private struct Entry {
        var row: Int64?
        var gap: Gap
        var isSaved: Bool
        var begun: ContinuousClock.Instant
        var grown: ContinuousClock.Instant
    }

    private static let rest = Duration.seconds(10)
    private static let longest = Duration.seconds(60)
    private var entries: [Entry] = []
    /// The sums of all losses, announced or not.
    private(set) var totals: LossTotals
    /// Losses that have not been reported to the operator.
    private var untold: [Gap] = []

    /// - Parameters:
    ///   - open: what an earlier run noted and did not announce; due at once.
    ///   - totals: what earlier runs lost, those included.
    init(open rows: [GapRow] = [], totals: LossTotals) {
        self.totals = totals
        let past = ContinuousClock.now - Self.longest
        entries = rows.map { Entry(row: $0.id, gap: $0.gap, isSaved: true, begun: past, grown: past) }
    }

    /// Notes a loss that has been: it is announced with the next commit.
    mutating func addEnded(_ gap: Gap) {
        add(gap, now: .now - Self.longest)
    }

    var hasUnsaved: Bool { entries.contains { !$0.isSaved } }

    /// Everything is to be written again, into a database that knows nothing of it.
    mutating func markUnsaved() {
        for index in entries.indices { (entries[index].row, entries[index].isSaved) = (nil, false) }
    }

    var nextDue: ContinuousClock.Instant? {
        entries.map(Self.due).min()
    }

    private static func due(_ entry: Entry) -> ContinuousClock.Instant {
        min(entry.grown + rest, entry.begun + longest)
    }

    /// Notes a loss: more of one that is noted already, or a new one.
    mutating func add(_ gap: Gap, now: ContinuousClock.Instant = .now) {
        untold.append(gap)
        totals.add(gap)
        let known = entries.firstIndex {
            $0.gap.cause == gap.cause && $0.gap.lane == gap.lane && $0.gap.outputs == gap.outputs
                && ($0.gap.last + 1 == gap.first || gap.first == 0 || gap.cause == .deadLetters)
        }
        guard let known else {
            entries.append(Entry(row: nil, gap: gap, isSaved: false, begun: now, grown: now))
            return
        }
        entries[known].gap.last = gap.last
        let (sum, isTooMuch) = entries[known].gap.count.addingReportingOverflow(gap.count)
        entries[known].gap.count = isTooMuch ? .max : sum
        entries[known].gap.until = max(entries[known].gap.until, gap.until)
        entries[known].isSaved = false
        entries[known].grown = now
    }

    /// Takes the losses to report to the operator, once the transaction that causes them is committed.
    mutating func takeUntold() -> [Gap] {
        defer { untold.removeAll() }
        return untold
    }

    /// Takes what is to be announced.
    /// - Parameter now: nil for all there is.
    mutating func takeDue(now: ContinuousClock.Instant?) -> [(row: Int64?, gap: Gap)] {
        let isDue = { (entry: Entry) in now.map { Self.due(entry) <= $0 } ?? true }
        defer { entries.removeAll(where: isDue) }
        return entries.filter(isDue).map { ($0.row, $0.gap) }
    }

    /// Writes what is new, and that the `announced` are.
    mutating func save(
        announced: [(row: Int64?, gap: Gap)], in database: borrowing Database
    ) throws(SQLiteError) {
        var rows: [Int64] = []
        for one in announced { rows.append(try database.set(one.gap, id: one.row)) }
        try database.markAnnounced(rows)
        for index in entries.indices where !entries[index].isSaved {
            entries[index].row = try database.set(entries[index].gap, id: entries[index].row)
            entries[index].isSaved = true
        }
    }
}
