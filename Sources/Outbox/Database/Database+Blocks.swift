// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

extension Database {
    private static let columns = "id,epoch,first,events,readings,since,until,committed,codec,key_id,crc,last"

    func add(_ block: StoredBlock) throws(SQLiteError) {
        try write(block, "INSERT")
    }

    /// Adds a block that may be there already, from a salvage that was interrupted.
    /// - Returns: false where another has its place.
    func addAgain(_ block: StoredBlock) throws(SQLiteError) -> Bool {
        try write(block, "INSERT OR IGNORE")
        let there = try head(block.lane, from: block.id)
        return there?.id == block.id && there?.crc == block.crc
    }

    /// Puts a block in the place of the one with its number.
    func replace(_ block: StoredBlock) throws(SQLiteError) {
        try write(block, "REPLACE")
    }

    private func write(_ block: StoredBlock, _ verb: String) throws(SQLiteError) {
        let statement = try connection.prepare(
            "\(verb) INTO block_\(block.lane.rawValue)(\(Self.columns),body) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)")
        statement.bind(block.id, at: 1)
        statement.bind(Int64(bitPattern: block.epoch), at: 2)
        statement.bind(Int64(bitPattern: block.first), at: 3)
        statement.bind(Int64(block.events), at: 4)
        statement.bind(Int64(block.readings), at: 5)
        statement.bind(block.since.microseconds, at: 6)
        statement.bind(block.until.microseconds, at: 7)
        statement.bind(block.committed.microseconds, at: 8)
        statement.bind(block.codec, at: 9)
        statement.bind(block.keyID, at: 10)
        statement.bind(Int64(block.crc), at: 11)
        statement.bind(Int64(bitPattern: block.last), at: 12)
        statement.bind(block.body, at: 13)
        try statement.run()
    }

    /// Blocks from `id` on and before `end`, oldest first, until they have `bytes` or `events`; at least one where there
    /// is one.
    func blocks(
        _ lane: Lane, from id: Int64, before end: Int64, bytes: Int, events: Int
    ) throws(SQLiteError) -> [StoredBlock] {
        let statement = try connection.prepare(
            "SELECT \(Self.columns),body FROM block_\(lane.rawValue) WHERE id>=? AND id<? ORDER BY id")
        statement.bind(id, at: 1)
        statement.bind(end, at: 2)
        var blocks: [StoredBlock] = []
        var size = 0
        var count = 0
        while size < bytes, count < events, try statement.step() {
            let block = Self.block(lane, statement, body: statement.bytes(12))
            blocks.append(block)
            size += block.body.count
            count += block.events
        }
        return blocks
    }

    /// The first block from `id` on, without its body.
    func head(_ lane: Lane, from id: Int64) throws(SQLiteError) -> StoredBlock? {
        try head(lane, "WHERE id>=? ORDER BY id LIMIT 1", id)
    }

    func last(_ lane: Lane) throws(SQLiteError) -> StoredBlock? {
        try head(lane, "WHERE id<=? ORDER BY id DESC LIMIT 1", .max)
    }

    /// The blocks before `end` that were committed in a span of time: the first, the last, and how many events lie in them.
    func span(
        _ lane: Lane, since: Timestamp, until: Timestamp, before end: Int64
    ) throws(SQLiteError) -> (first: Int64, last: Int64, events: Int)? {
        let statement = try connection.prepare(
            "SELECT min(id),max(id),sum(events) FROM block_\(lane.rawValue)"
                + " WHERE id<? AND committed BETWEEN ? AND ?", end, since.microseconds, until.microseconds)
        guard try statement.step(), statement.integer(2) > 0 else { return nil }
        return (statement.integer(0), statement.integer(1), Int(clamping: statement.integer(2)))
    }

    /// The last block before `id`, without its body.
    func lastBefore(_ lane: Lane, _ id: Int64) throws(SQLiteError) -> StoredBlock? {
        try head(lane, "WHERE id<? ORDER BY id DESC LIMIT 1", id)
    }

    private func head(_ lane: Lane, _ rest: String, _ id: Int64) throws(SQLiteError) -> StoredBlock? {
        let statement = try connection.prepare("SELECT \(Self.columns) FROM block_\(lane.rawValue) \(rest)", id)
        return try statement.step() ? Self.block(lane, statement, body: []) : nil
    }

    /// Columns may be damaged like everything on a disk; the checksum tells, but nothing may trap before it is looked at.
    private static func block(_ lane: Lane, _ row: borrowing Statement, body: [UInt8]) -> StoredBlock {
        StoredBlock(
            lane: lane, id: row.integer(0), epoch: UInt64(bitPattern: row.integer(1)), first: sequence(row.integer(2)),
            last: sequence(row.integer(11)), events: Int(min(max(0, row.integer(3)), largestBlock)),
            readings: Int(min(max(0, row.integer(4)), largestBlock)), since: Timestamp(microseconds: row.integer(5)),
            until: Timestamp(microseconds: row.integer(6)), committed: Timestamp(microseconds: row.integer(7)),
            codec: row.integer(8), keyID: row.integer(9), crc: UInt32(truncatingIfNeeded: row.integer(10)), body: body)
    }

    static func sequence(_ column: Int64) -> UInt64 { UInt64(min(max(0, column), 1 << 62)) }
    private static let largestBlock: Int64 = 1 << 32

    /// How many of the oldest blocks, at most `most`, hold `bytes` between them: the last of them. The newest block of
    /// a lane never counts: the numbers of the next follow from it.
    func lastToEvict(_ lane: Lane, bytes: Int64, most: Int) throws(SQLiteError) -> StoredBlock? {
        let statement = try connection.prepare(
            "SELECT id,length(body) FROM block_\(lane.rawValue)"
                + " WHERE id<(SELECT max(id) FROM block_\(lane.rawValue)) ORDER BY id LIMIT ?", Int64(most))
        var size: Int64 = 0
        var id: Int64?
        while size < bytes, try statement.step() {
            id = statement.integer(0)
            size += statement.integer(1)
        }
        return try id.flatMap { id throws(SQLiteError) in try head(lane, from: id) }
    }

    /// The last of the oldest blocks, at most `most`, that were committed before `time`; never the newest of the lane.
    func lastCommitted(_ lane: Lane, before time: Timestamp, most: Int) throws(SQLiteError) -> StoredBlock? {
        let statement = try connection.prepare(
            "SELECT id,committed FROM block_\(lane.rawValue)"
                + " WHERE id<(SELECT max(id) FROM block_\(lane.rawValue)) ORDER BY id LIMIT ?", Int64(most))
        var id: Int64?
        while try statement.step(), statement.integer(1) < time.microseconds { id = statement.integer(0) }
        return try id.flatMap { id throws(SQLiteError) in try head(lane, from: id) }
    }

    /// Deletes the oldest blocks up to `id`, at most `most` of them.
    func delete(_ lane: Lane, through id: Int64, most: Int) throws(SQLiteError) {
        try connection.run(
            "DELETE FROM block_\(lane.rawValue) WHERE id IN"
                + " (SELECT id FROM block_\(lane.rawValue) WHERE id<=? ORDER BY id LIMIT ?)", id, Int64(most))
    }

    /// Deletes the blocks from `id` on.
    func delete(_ lane: Lane, from id: Int64) throws(SQLiteError) {
        try connection.run("DELETE FROM block_\(lane.rawValue) WHERE id>=?", id)
    }
}
