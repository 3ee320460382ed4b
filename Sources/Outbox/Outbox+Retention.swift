// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

extension Outbox {
    private static let evictedAtOnce = 64

    /// Bytes that the database may have.
    private var capacity: Int64 {
        if case .disk = medium { settings.maxSize } else { Int64(settings.maxMemory) / 5 * 2 }
    }

    private var isOnDisk: Bool {
        if case .disk = medium { true } else { false }
    }

    /// Deletes what every output has settled, then what is too old or too much; the loss of the latter is noted.
    /// Within the transaction of a commit.
    func evict(now: Timestamp) throws(SQLiteError) {
        try deleteSettled()
        for lane in Lane.allCases {
            let old = try database.lastCommitted(
                lane, before: now.advanced(byMicroseconds: -settings.maxAge), most: Self.evictedAtOnce)
            if let old { try lose(through: old, .maxAge) }
        }
        let size = try database.size() - books.shelf.bytes
        if size > capacity {
            try letGoInside(bytes: size - capacity, isOnDisk ? .maxSize : .diskFull)
        } else if size < capacity / 20 * 19 {
            intake.reopen()
        }
    }

    private func deleteSettled() throws(SQLiteError) {
        for lane in Lane.allCases {
            // The newest block stays: the numbers of the next follow from it.
            let end = min(books.needed(lane, withWaiting: isOnDisk), books.next[Int(lane.rawValue)].block - 1)
            if end > 1 { try database.delete(lane, through: end - 1, most: Self.evictedAtOnce) }
        }
    }

    /// Makes room in a transaction of its own.
    func letGo(bytes: Int64, _ cause: Gap.Cause) throws(SQLiteError) {
        let before = books
        do throws(SQLiteError) {
            try database.transaction { () throws(SQLiteError) in
                try deleteSettled()
                try letGoInside(bytes: bytes, cause)
                try books.save(announced: [], in: database)
            }
            for lost in lostInCommit { measures.lost(lost) }
            lostInCommit.removeAll()
        } catch {
            books = before
            lostInCommit.removeAll()
            throw error
        }
    }

    /// Bulk first, critical last; what a lane lets go is its policy's affair.
    private func letGoInside(bytes: Int64, _ cause: Gap.Cause) throws(SQLiteError) {
        for lane in Lane.allCases.reversed() {
            switch settings.whenFull(lane) {
            case .dropNewest: intake.close(lane, .dropping)
            case .pause: intake.close(lane, .paused)
            case .thin:
                if try thin(lane) { return }
                if try dropOldest(lane, bytes, cause) { return }
            case .dropOldest:
                if try dropOldest(lane, bytes, cause) { return }
            }
        }
    }

    private func dropOldest(_ lane: Lane, _ bytes: Int64, _ cause: Gap.Cause) throws(SQLiteError) -> Bool {
        guard let last = try database.lastToEvict(lane, bytes: bytes, most: Self.evictedAtOnce) else { return false }
        try lose(through: last, cause)
        return true
    }

    /// Deletes blocks that some output has not sent, and notes what each of them loses.
    private func lose(through last: StoredBlock, _ cause: Gap.Cause) throws(SQLiteError) {
        let lane = Int(last.lane.rawValue)
        for output in books.outputs.indices {
            let position = books.outputs[output].positions[lane]
            for replay in position.replays where replay.isReady && replay.cursor.block <= last.id {
                let end = min(last.id + 1, replay.until)
                try note(last.lane, output, from: replay.cursor, to: end, cause)
                books.outputs[output].positions[lane].move(
                    .replay(until: replay.until), to: Cursor(block: end, done: 0))
            }
            if position.live.block <= last.id {
                try note(last.lane, output, from: position.live, to: last.id + 1, cause)
                books.outputs[output].positions[lane].move(.live, to: Cursor(block: last.id + 1, done: 0))
            }
        }
        try database.delete(last.lane, through: last.id, most: Self.evictedAtOnce)
    }

    /// Notes that an output loses what it has not settled between a cursor and a block.
    private func note(
        _ lane: Lane, _ output: Int, from cursor: Cursor, to end: Int64, _ cause: Gap.Cause
    ) throws(SQLiteError) {
        guard let head = try database.head(lane, from: cursor.block), head.id < end,
            let last = try database.lastBefore(lane, end)
        else { return }
        let first = head.first + (head.id == cursor.block ? UInt64(cursor.done) : 0)
        guard first < last.end else { return }
        let name = books.outputs[output].name
        lostInCommit.append(Loss(output: name, cause: cause, count: Int(clamping: last.end - first)))
        books.ledger.add(
            Gap(
                cause: cause, lane: lane, first: first, last: last.end - 1, count: last.end - first, since: head.since,
                until: last.until, outputs: [name]))
    }

    /// A dead letter that is kept no longer is lost like any other event.
    func note(_ letter: DeadLetterShelf.Discarded) {
        guard let name = books.name(ofOutput: letter.output) else { return }
        lostInCommit.append(Loss(output: name, cause: .deadLetters, count: 1))
        books.ledger.add(
            Gap(
                cause: .deadLetters, lane: letter.lane, first: letter.sequence, last: letter.sequence, count: 1,
                since: letter.at, until: letter.at, outputs: [name]))
    }

    // MARK: Thinning

    private static let thinnedAtOnce = 256

    /// Thins the oldest blocks that have not been yet, as many as one interval holds.
    /// - Returns: false where there are none.
    private func thin(_ lane: Lane) throws(SQLiteError) -> Bool {
        let at = Int(lane.rawValue)
        let from = max(thinnedBefore[at], 0)
        // Neither the newest, nor one of which an output has settled a part: its places must not change.
        let partly = books.outputs.flatMap { output in
            [output.positions[at].live] + output.positions[at].replays.map(\.cursor)
        }.filter { $0.done > 0 }.map(\.block)
        let end = min(books.next[at].block - 1, partly.filter { $0 >= from }.min() ?? .max)
        let blocks = try database.blocks(
            lane, from: from, before: end, bytes: 1 << 20, events: 1 << 16
        ).prefix(Self.thinnedAtOnce)
        guard let first = blocks.first, let last = blocks.last else { return false }
        let run = blocks.prefix { $0.since.microseconds - first.since.microseconds < settings.thinInterval }
        thinnedBefore[at] = (run.last ?? last).id + 1
        var thinning = Thinning(interval: settings.thinInterval)
        let opened = run.filter { $0.codec == BlockBody.codec }.compactMap { block in
            (try? codec.decode(block)).map { (block: block, opened: $0) }
        }
        for one in opened { thinning.look(at: one.opened.batch) }
        var lost: UInt64 = 0
        for (number, one) in opened.enumerated() {
            let (thin, changed) = thinning.thinned(one.opened, number: number)
            guard changed > 0 else { continue }
            lost += UInt64(changed)
            if thin.batch.isEmpty {
                try database.delete(lane, only: one.block.id)
            } else if let block = try? codec.encode(thin, insteadOf: one.block) {
                try database.replace(block)
            }
        }
        noteThinned(lane, opened.first?.block, opened.last?.block, lost)
        return true
    }

    private func noteThinned(_ lane: Lane, _ first: StoredBlock?, _ last: StoredBlock?, _ count: UInt64) {
        guard let first, let last, count > 0 else { return }
        let names = books.outputs.filter { $0.positions[Int(lane.rawValue)].needed <= last.id }.map(\.name)
        for name in names { lostInCommit.append(Loss(output: name, cause: .thinned, count: Int(clamping: count))) }
        books.ledger.add(
            Gap(
                cause: .thinned, lane: lane, first: first.first, last: last.end - 1, count: count, since: first.since,
                until: last.until, outputs: names))
    }
}
