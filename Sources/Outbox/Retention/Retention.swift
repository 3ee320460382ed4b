// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// What goes: what every output has, what is too old, and where there is no room what the lanes let go.
///
/// Changes the database and the books together, within a transaction of the caller's.
struct Retention: ~Copyable {
    /// How much there may be.
    struct Room {
        /// Bytes of the database.
        var bytes: Int64
        /// What a loss is put down to where that is too much.
        var cause: Gap.Cause
        /// False while blocks that a range waits for are elsewhere.
        var holdsWaiting: Bool
    }

    private static let evictedAtOnce = 64

    private let settings: OutboxSettings
    private let intake: Intake
    private let codec: BlockCodec
    /// Up to where each lane is thinned.
    private var thinnedBefore = PerLane<Int64>(repeating: 0)

    init(_ settings: OutboxSettings, _ intake: Intake) {
        self.settings = settings
        self.intake = intake
        codec = BlockCodec(keys: settings.keys)
    }

    /// Deletes what every output has settled, then what is too old or too much; the loss of the latter is noted.
    mutating func evict(
        from database: borrowing Database, _ books: inout Books, now: Timestamp, _ room: Room
    ) throws(SQLiteError) {
        try deleteSettled(database, books, room, olderThan: now.advanced(byMicroseconds: -settings.keepSent))
        for lane in Lane.allCases {
            let limit = now.advanced(byMicroseconds: -settings.maxAge)
            guard let old = try database.lastCommitted(lane, before: limit, most: Self.evictedAtOnce),
                books.clockJump?.lets(old.id, of: lane, goBefore: limit) ?? true
            else { continue }
            try lose(through: old, .maxAge, database, &books)
        }
        let size = try database.size() - books.shelf.bytes
        if size > room.bytes {
            try letGo(bytes: size - room.bytes, from: database, &books, room)
        } else if size < room.bytes / 20 * 19 {
            intake.reopen()
        }
    }

    private func deleteSettled(
        _ database: borrowing Database, _ books: Books, _ room: Room, olderThan time: Timestamp?
    ) throws(SQLiteError) {
        for lane in Lane.allCases {
            // The newest block stays: the numbers of the next follow from it.
            var end = min(
                books.needed(lane, withWaiting: room.holdsWaiting), books.next[lane].block - 1)
            if settings.keepSent > 0, let time {
                end = min(end, (try database.lastCommitted(lane, before: time, most: Self.evictedAtOnce)?.id ?? 0) + 1)
            }
            if end > 1 { try database.delete(lane, through: end - 1, most: Self.evictedAtOnce) }
        }
    }

    /// Makes room: first with what every output has, then bulk, critical last. What a lane lets go is its policy's affair.
    /// - Parameter bytes: how much is wanted; it may be less, as not too much is done at once.
    mutating func letGo(
        bytes: Int64, from database: borrowing Database, _ books: inout Books, _ room: Room,
        sparing spared: Set<Lane> = []
    ) throws(SQLiteError) {
        let before = try database.size()
        try deleteSettled(database, books, room, olderThan: nil)
        let bytes = try bytes - (before - database.size())
        if bytes <= 0 { return }
        for lane in Lane.allCases.reversed() where !spared.contains(lane) {
            switch settings.whenFull[lane] {
            case .dropNewest: intake.close(lane, .dropping)
            case .pause: intake.close(lane, .paused)
            case .thin:
                if try thin(lane, database, &books) { return }
                if try dropOldest(lane, bytes, room.cause, database, &books) { return }
            case .dropOldest:
                if try dropOldest(lane, bytes, room.cause, database, &books) { return }
            }
        }
    }

    // MARK: Dropping

    /// - Returns: false where there is nothing that could go.
    private func dropOldest(
        _ lane: Lane, _ bytes: Int64, _ cause: Gap.Cause, _ database: borrowing Database, _ books: inout Books
    ) throws(SQLiteError) -> Bool {
        guard let last = try database.lastToEvict(lane, bytes: bytes, most: Self.evictedAtOnce) else { return false }
        try lose(through: last, cause, database, &books)
        return true
    }

    /// Deletes blocks that some output has not sent, and notes what each of them loses.
    private func lose(
        through last: StoredBlock, _ cause: Gap.Cause, _ database: borrowing Database, _ books: inout Books
    ) throws(SQLiteError) {
        let lane = last.lane
        for output in books.outputs.indices {
            let position = books.outputs[output].positions[lane]
            // The held ranges last: what they have follows from what the others lose.
            let ready = position.backlog.filter { $0.isReady && $0.cursor.block <= last.id }
            let (held, backlog) = (ready.filter { $0.topic != nil }, ready.filter { $0.topic == nil })
            func way(_ range: BacklogRange) -> (stream: Stream, cursor: Cursor, end: Int64) {
                (range.stream, range.cursor, min(last.id + 1, range.until))
            }
            let live =
                position.live.block <= last.id
                ? [(stream: Stream.live, cursor: position.live, end: last.id + 1)] : []
            for way in backlog.map(way) + live + held.map(way) {
                try books.outputs[output].positions[lane].loseUnleft(way.stream) { end throws(SQLiteError) in
                    try gap(last.lane, from: way.cursor, to: min(end, way.end), cause, database)?.count ?? 0
                }
                if var gap = try gap(last.lane, from: way.cursor, to: way.end, cause, database) {
                    if case .backlog(let until, _?) = way.stream {
                        let whole = try self.gap(last.lane, from: way.cursor, to: until, cause, database)
                        gap.count = books.outputs[output].positions[lane].lose(
                            gap.count, of: whole?.count ?? gap.count, way.stream)
                    }
                    if gap.count > 0 { note(gap, ofOutput: books.outputs[output].name, &books) }
                }
                books.outputs[output].positions[lane].move(way.stream, to: Cursor(block: way.end, done: 0))
            }
            books.outputs[output].positions[lane].skipHeld(before: last.id + 1)
        }
        try database.delete(last.lane, through: last.id, most: Self.evictedAtOnce)
    }

    /// What an output loses that has not settled what lies between a cursor and a block; nil for nothing.
    private func gap(
        _ lane: Lane, from cursor: Cursor, to end: Int64, _ cause: Gap.Cause, _ database: borrowing Database
    ) throws(SQLiteError) -> Gap? {
        guard let head = try database.head(lane, from: cursor.block), head.id < end,
            let last = try database.lastBefore(lane, end)
        else { return nil }
        let first = head.first + (head.id == cursor.block ? UInt64(cursor.done) : 0)
        guard first < last.end else { return nil }
        return Gap(
            cause: cause, lane: lane, first: first, last: last.end - 1, count: last.end - first, since: head.since,
            until: last.until, outputs: [])
    }

    private func note(_ gap: Gap, ofOutput name: String, _ books: inout Books) {
        var gap = gap
        gap.outputs = [name]
        books.ledger.add(gap)
    }

    // MARK: Thinning

    private static let thinnedAtOnce = 256

    /// Thins the oldest blocks that have not been yet, as many as one interval holds.
    /// - Returns: false where there are none.
    private mutating func thin(
        _ lane: Lane, _ database: borrowing Database, _ books: inout Books
    ) throws(SQLiteError) -> Bool {
        let from = max(thinnedBefore[lane], 0)
        // Neither the newest, nor one of which an output has settled a part: its places must not change.
        let partly = books.outputs.flatMap { output in
            [output.positions[lane].live] + output.positions[lane].backlog.map(\.cursor)
        }.filter { $0.done > 0 }.map(\.block)
        let end = min(books.next[lane].block - 1, partly.filter { $0 >= from }.min() ?? .max)
        let blocks = try database.blocks(
            lane, from: from, before: end, bytes: 1 << 20, events: 1 << 16
        ).prefix(Self.thinnedAtOnce)
        guard let first = blocks.first, let last = blocks.last else { return false }
        let run = blocks.prefix { $0.since.microseconds - first.since.microseconds < settings.thinInterval }
        thinnedBefore[lane] = (run.last ?? last).id + 1
        var thinning = Thinning(interval: settings.thinInterval)
        let opened = run.filter { $0.format.map { !$0.hasSequences } ?? false }.compactMap { block in
            (try? codec.decode(block)).map { (block: block, opened: $0) }
        }
        for one in opened { thinning.look(at: one.opened.batch) }
        var lost: UInt64 = 0
        for (number, one) in opened.enumerated() {
            let (thin, changed) = thinning.thinned(one.opened, number: number)
            guard changed > 0 else { continue }
            lost += UInt64(changed)
            if thin.batch.isEmpty {
                let old = one.block
                try database.replace(
                    codec.tombstone(lane, id: old.id, first: old.first, last: old.end - 1, committed: old.committed))
            } else if let block = try? codec.encode(thin, insteadOf: one.block) {
                try database.replace(block)
            }
        }
        guard let first = opened.first?.block, let last = opened.last?.block, lost > 0 else { return true }
        let gap = Gap(
            cause: .thinned, lane: lane, first: first.first, last: last.end - 1, count: lost, since: first.since,
            until: last.until, outputs: [])
        for output in books.outputs where output.positions[lane].needed() <= last.id {
            note(gap, ofOutput: output.name, &books)
        }
        return true
    }
}
