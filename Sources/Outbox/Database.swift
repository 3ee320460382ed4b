// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// Where an output is in a lane: everything before `block`, and the first `done` events of it, is settled.
public struct Cursor: Sendable, Equatable {
    public var block: Int64
    public var done: Int
}

/// The outbox's file: what can be asked of it and told to it, without any policy.
///
/// Exactly one connection, opened exclusively. Debian's SQLite 3.40.1 can corrupt a write-ahead log that two
/// connections write to at once (fixed in 3.51.3); one cannot. It is also the lock against a second gateway.
struct Database: ~Copyable {
    private let connection: Connection

    init(path: String) throws {
        connection = try Self.open(path)
    }

    private static func open(_ path: String) throws -> Connection {
        do {
            let connection = try Connection(path: path)
            try connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            try prepareSchema(of: connection, path)
            return connection
        } catch let error as SQLiteError where error.isBusy {
            throw OutboxError(
                .inUse, "\(path) is in use by another headgate: stop it, or give this one a `state` of its own")
        }
    }

    private static func prepareSchema(of connection: borrowing Connection, _ path: String) throws {
        if try connection.integer("SELECT count(*) FROM sqlite_master") == 0 {
            try connection.execute(Schema.creation)
            try connection.execute(Schema.opening)
            try connection.execute("BEGIN EXCLUSIVE; \(Schema.tables); COMMIT")
            return
        }
        // Looked at before anything is changed: a file that is not ours stays as it is.
        guard try connection.integer("PRAGMA application_id") == Schema.applicationID else {
            throw OutboxError(.foreign, "\(path) is not an outbox: move it away")
        }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version == Schema.version else {
            throw OutboxError(
                .foreign,
                "\(path) has schema version \(version), this headgate knows \(Schema.version): use the newer one")
        }
        try connection.execute(Schema.opening)
    }

    func transaction<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        try connection.transaction(body)
    }

    /// Copies the log into the file and empties it.
    func checkpoint() throws(SQLiteError) {
        try connection.checkpoint(truncate: true)
    }

    /// Bytes of the file, the log left out.
    func size() throws(SQLiteError) -> Int64 {
        // Within a transaction freed pages still count as pages; they go with its commit.
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        return try (pages - (connection.integer("PRAGMA freelist_count") ?? 0)) * 4_096
    }

    // MARK: Blocks

    func add(_ block: StoredBlock) throws(SQLiteError) {
        let statement = try connection.prepare(
            "INSERT INTO block_\(block.lane.rawValue)"
                + "(id,epoch,first,events,readings,since,until,committed,codec,key_id,crc,body)"
                + " VALUES(?,?,?,?,?,?,?,?,?,0,?,?)")
        statement.bind(block.id, at: 1)
        statement.bind(Int64(bitPattern: block.epoch), at: 2)
        statement.bind(Int64(bitPattern: block.first), at: 3)
        statement.bind(Int64(block.events), at: 4)
        statement.bind(Int64(block.readings), at: 5)
        statement.bind(block.since.microseconds, at: 6)
        statement.bind(block.until.microseconds, at: 7)
        statement.bind(block.committed.microseconds, at: 8)
        statement.bind(block.codec, at: 9)
        statement.bind(Int64(block.crc), at: 10)
        statement.bind(block.body, at: 11)
        try statement.run()
    }

    /// Blocks from `id` on, oldest first, until they have `bytes` or `events`; at least one where there is one.
    func blocks(_ lane: Lane, from id: Int64, bytes: Int, events: Int) throws(SQLiteError) -> [StoredBlock] {
        let statement = try connection.prepare(
            "SELECT id,epoch,first,events,readings,since,until,committed,codec,crc,body FROM block_\(lane.rawValue)"
                + " WHERE id>=? ORDER BY id")
        statement.bind(id, at: 1)
        var blocks: [StoredBlock] = []
        var size = 0
        var count = 0
        while size < bytes, count < events, try statement.step() {
            let block = Self.block(lane, statement, body: statement.bytes(10))
            blocks.append(block)
            size += block.body.count
            count += block.events
        }
        return blocks
    }

    /// The first block from `id` on, without its body.
    func head(_ lane: Lane, from id: Int64) throws(SQLiteError) -> StoredBlock? {
        try head(lane, "WHERE id>=\(id) ORDER BY id LIMIT 1")
    }

    func last(_ lane: Lane) throws(SQLiteError) -> StoredBlock? {
        try head(lane, "ORDER BY id DESC LIMIT 1")
    }

    private func head(_ lane: Lane, _ rest: String) throws(SQLiteError) -> StoredBlock? {
        let statement = try connection.prepare(
            "SELECT id,epoch,first,events,readings,since,until,committed,codec,crc,length(body)"
                + " FROM block_\(lane.rawValue) \(rest)")
        return try statement.step() ? Self.block(lane, statement, body: []) : nil
    }

    /// Columns may be damaged like everything on a disk; the checksum tells, but nothing may trap before it is looked at.
    private static func block(_ lane: Lane, _ row: borrowing Statement, body: [UInt8]) -> StoredBlock {
        StoredBlock(
            lane: lane, id: row.integer(0), epoch: UInt64(bitPattern: row.integer(1)),
            first: UInt64(min(max(0, row.integer(2)), largestSequence)),
            events: Int(min(max(0, row.integer(3)), largestBlock)),
            readings: Int(min(max(0, row.integer(4)), largestBlock)), since: Timestamp(microseconds: row.integer(5)),
            until: Timestamp(microseconds: row.integer(6)), committed: Timestamp(microseconds: row.integer(7)),
            codec: row.integer(8), crc: UInt32(truncatingIfNeeded: row.integer(9)), body: body)
    }

    private static let largestSequence: Int64 = 1 << 62
    private static let largestBlock: Int64 = 1 << 32

    /// How many of the oldest blocks, at most `most`, hold `bytes` between them: the last of them. The newest block of
    /// a lane never counts: the numbers of the next follow from it.
    func lastToEvict(_ lane: Lane, bytes: Int64, most: Int) throws(SQLiteError) -> StoredBlock? {
        let statement = try connection.prepare(
            "SELECT id,length(body) FROM block_\(lane.rawValue)"
                + " WHERE id<(SELECT max(id) FROM block_\(lane.rawValue)) ORDER BY id LIMIT \(most)")
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
                + " WHERE id<(SELECT max(id) FROM block_\(lane.rawValue)) ORDER BY id LIMIT \(most)")
        var id: Int64?
        while try statement.step(), statement.integer(1) < time.microseconds { id = statement.integer(0) }
        return try id.flatMap { id throws(SQLiteError) in try head(lane, from: id) }
    }

    /// Deletes the oldest blocks up to `id`, at most `most` of them.
    func delete(_ lane: Lane, through id: Int64, most: Int) throws(SQLiteError) {
        try connection.execute(
            "DELETE FROM block_\(lane.rawValue) WHERE id IN"
                + " (SELECT id FROM block_\(lane.rawValue) WHERE id<=\(id) ORDER BY id LIMIT \(most))")
    }

    // MARK: Outputs

    /// The number of an output, new where it had none. A new one starts at the oldest block there is.
    func number(ofOutput name: String) throws(SQLiteError) -> Int64 {
        let find = try connection.prepare("SELECT id FROM output WHERE name=?")
        find.bind(name, at: 1)
        if try find.step() { return find.integer(0) }
        let add = try connection.prepare("INSERT INTO output(name) VALUES(?)")
        add.bind(name, at: 1)
        try add.run()
        let number = connection.lastInsertedRow
        for lane in Lane.allCases { try set(Cursor(block: 0, done: 0), output: number, lane) }
        return number
    }

    func outputs() throws(SQLiteError) -> [(number: Int64, name: String)] {
        let statement = try connection.prepare("SELECT id,name FROM output ORDER BY id")
        var outputs: [(number: Int64, name: String)] = []
        while try statement.step() { outputs.append((statement.integer(0), statement.text(1))) }
        return outputs
    }

    func cursor(output: Int64, _ lane: Lane) throws(SQLiteError) -> Cursor {
        let statement = try connection.prepare("SELECT block,done FROM cursor WHERE output=? AND lane=?")
        statement.bind(output, at: 1)
        statement.bind(Int64(lane.rawValue), at: 2)
        guard try statement.step() else { return Cursor(block: 0, done: 0) }
        return Cursor(block: max(0, statement.integer(0)), done: Int(max(0, statement.integer(1))))
    }

    func set(_ cursor: Cursor, output: Int64, _ lane: Lane) throws(SQLiteError) {
        let statement = try connection.prepare("INSERT OR REPLACE INTO cursor(output,lane,block,done) VALUES(?,?,?,?)")
        statement.bind(output, at: 1)
        statement.bind(Int64(lane.rawValue), at: 2)
        statement.bind(cursor.block, at: 3)
        statement.bind(Int64(cursor.done), at: 4)
        try statement.run()
    }

    // MARK: Dead letters

    func add(_ letter: DeadLetter, output: Int64, body: StoredBlock) throws(SQLiteError) {
        let statement = try connection.prepare(
            "INSERT INTO dead(output,epoch,lane,sequence,at,reason,codec,crc,body) VALUES(?,?,?,?,?,?,?,?,?)")
        statement.bind(output, at: 1)
        statement.bind(Int64(bitPattern: letter.epoch), at: 2)
        statement.bind(Int64(letter.lane.rawValue), at: 3)
        statement.bind(Int64(bitPattern: letter.sequence), at: 4)
        statement.bind(letter.at.microseconds, at: 5)
        statement.bind(letter.reason, at: 6)
        statement.bind(body.codec, at: 7)
        statement.bind(Int64(body.crc), at: 8)
        statement.bind(body.body, at: 9)
        try statement.run()
    }

    /// How many there are, and the bytes of their bodies, by output and lane. Reads them all.
    func deadLetters() throws(SQLiteError) -> [(output: Int64, lane: Lane, count: Int, bytes: Int64)] {
        let statement = try connection.prepare(
            "SELECT output,lane,count(*),sum(length(body)) FROM dead GROUP BY output,lane")
        var letters: [(output: Int64, lane: Lane, count: Int, bytes: Int64)] = []
        while try statement.step() {
            guard let lane = Lane(rawValue: UInt8(clamping: statement.integer(1))) else { continue }
            letters.append((statement.integer(0), lane, Int(statement.integer(2)), statement.integer(3)))
        }
        return letters
    }

    /// The oldest where there is more than one.
    func oldestDeadLetter() throws(SQLiteError) -> (id: Int64, bytes: Int64, letter: DeadLetterShelf.Discarded)? {
        let statement = try connection.prepare(
            "SELECT id,length(body),output,lane,sequence,at FROM dead WHERE id<(SELECT max(id) FROM dead)"
                + " ORDER BY id LIMIT 1")
        guard try statement.step() else { return nil }
        let letter = DeadLetterShelf.Discarded(
            output: statement.integer(2), lane: Lane(rawValue: UInt8(clamping: statement.integer(3))) ?? .normal,
            sequence: UInt64(bitPattern: statement.integer(4)), at: Timestamp(microseconds: statement.integer(5)))
        return (statement.integer(0), statement.integer(1), letter)
    }

    func deleteDeadLetter(_ id: Int64) throws(SQLiteError) {
        try connection.execute("DELETE FROM dead WHERE id=\(id)")
    }

    // MARK: Meta

    func meta(_ key: String) throws(SQLiteError) -> Int64? {
        try connection.integer("SELECT value FROM meta WHERE key='\(key)'")
    }

    func setMeta(_ key: String, _ value: Int64) throws(SQLiteError) {
        try connection.execute("INSERT OR REPLACE INTO meta(key,value) VALUES('\(key)',\(value))")
    }
}

// MARK: Definitions

extension Database {
    func definitions(_ table: String) throws(SQLiteError) -> [[UInt8]] {
        let statement = try connection.prepare("SELECT definition FROM \(table) ORDER BY id")
        var definitions: [[UInt8]] = []
        while try statement.step() { definitions.append(statement.bytes(0)) }
        return definitions
    }

    func addDefinition(_ table: String, number: Int, _ definition: [UInt8]) throws(SQLiteError) {
        let statement = try connection.prepare("INSERT INTO \(table)(id,definition) VALUES(?,?)")
        statement.bind(Int64(number), at: 1)
        statement.bind(definition, at: 2)
        try statement.run()
    }
}

// MARK: Gaps

/// A row of the loss ledger: a gap that may still grow, until it is announced.
struct GapRow {
    var id: Int64
    var gap: Gap
}

extension Database {
    func openGaps() throws(SQLiteError) -> [GapRow] {
        let statement = try connection.prepare(
            "SELECT id,cause,lane,first,last,count,since,until,outputs FROM gap WHERE announced=0 ORDER BY id")
        var rows: [GapRow] = []
        while try statement.step() {
            guard let cause = Gap.Cause(rawValue: UInt8(clamping: statement.integer(1))),
                let lane = Lane(rawValue: UInt8(clamping: statement.integer(2)))
            else { continue }
            let gap = Gap(
                cause: cause, lane: lane, first: UInt64(bitPattern: statement.integer(3)),
                last: UInt64(bitPattern: statement.integer(4)), count: UInt64(bitPattern: statement.integer(5)),
                since: Timestamp(microseconds: statement.integer(6)),
                until: Timestamp(microseconds: statement.integer(7)),
                outputs: statement.text(8).split(separator: ",").map(String.init))
            rows.append(GapRow(id: statement.integer(0), gap: gap))
        }
        return rows
    }

    /// Adds a gap, or replaces the one that has grown to it.
    /// - Returns: its row.
    func set(_ gap: Gap, id: Int64?) throws(SQLiteError) -> Int64 {
        let statement = try connection.prepare(
            "INSERT OR REPLACE INTO gap(id,cause,lane,first,last,count,since,until,outputs,announced)"
                + " VALUES(\(id.map(String.init) ?? "NULL"),?,?,?,?,?,?,?,?,0)")
        statement.bind(Int64(gap.cause.rawValue), at: 1)
        statement.bind(Int64(gap.lane.rawValue), at: 2)
        statement.bind(Int64(bitPattern: gap.first), at: 3)
        statement.bind(Int64(bitPattern: gap.last), at: 4)
        statement.bind(Int64(bitPattern: gap.count), at: 5)
        statement.bind(gap.since.microseconds, at: 6)
        statement.bind(gap.until.microseconds, at: 7)
        statement.bind(gap.outputs.joined(separator: ","), at: 8)
        try statement.run()
        return connection.lastInsertedRow
    }

    func markAnnounced(_ ids: [Int64]) throws(SQLiteError) {
        for id in ids { try connection.execute("UPDATE gap SET announced=1 WHERE id=\(id)") }
        // What is announced is in the outbox as an event; a few rows stay for whoever looks into the file.
        if let last = ids.max() { try connection.execute("DELETE FROM gap WHERE announced=1 AND id<\(last)-1000") }
    }
}
