// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// The outbox's file: what can be asked of it and told to it, without any policy.
///
/// Exactly one connection, opened exclusively. Debian's SQLite 3.40.1 can corrupt a write-ahead log that two
/// connections write to at once (fixed in 3.51.3); one cannot.
struct Database: ~Copyable {
    static let pageSize: Int64 = 4_096

    let connection: Connection

    /// Opens a database, or makes it; an older version is brought to this one.
    /// - Parameter maxPages: beyond it, writing fails as on a full disk.
    /// - Throws: `OutboxError` of kind `inUse`, `newer`, `foreign` or `damaged`; `SQLiteError` where the file or the disk
    ///   is at fault.
    init(path: String, maxPages: Int64? = nil) throws {
        connection = try Self.open(path, maxPages)
    }

    /// One that lasts as long as this value, for while the disk takes nothing.
    static func inMemory(maxSize: Int64) throws -> Database {
        try Database(path: ":memory:", maxPages: max(64, maxSize / pageSize))
    }

    private static func open(_ path: String, _ maxPages: Int64?) throws -> Connection {
        do {
            let firstPage = FirstPage(of: path)
            let connection = try Connection(path: path)
            try connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            if try connection.integer("SELECT count(*) FROM sqlite_master") == 0 {
                try create(connection)
            } else {
                try prepare(connection, path, firstPage)
            }
            if let maxPages { _ = try connection.integer("PRAGMA max_page_count=\(maxPages)") }
            return connection
        } catch let error as SQLiteError where error.kind == .busy {
            throw OutboxError(
                .inUse, "\(path) is in use by another headgate: stop it, or give this one a `state` of its own")
        }
    }

    private static func create(_ connection: borrowing Connection) throws(SQLiteError) {
        try connection.execute(Schema.creation)
        try connection.execute(Schema.opening)
        try connection.execute("BEGIN EXCLUSIVE; \(Schema.tables); COMMIT")
    }

    private static func prepare(
        _ connection: borrowing Connection, _ path: String, _ firstPage: FirstPage?
    ) throws {
        let ours = try shapeOfOurs()
        let isShapedAsOurs = try shape(connection) == ours
        // Looked at before anything is changed: a file that is not ours stays as it is.
        guard try isShapedAsOurs || connection.integer("PRAGMA application_id") == Schema.applicationID else {
            throw OutboxError(.foreign, "\(path) is not an outbox")
        }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        // A newer version differs in its tables too: else the number is damaged.
        guard version <= Schema.version || isShapedAsOurs else {
            throw OutboxError(
                .newer,
                "\(path) has schema version \(version), this headgate knows \(Schema.version): use the newer one")
        }
        guard firstPage?.isSound ?? true else { throw OutboxError(.damaged, "\(path) has a damaged header") }
        try connection.execute(Schema.opening)
        let isOld = version < Schema.version
        if isOld { try Migration.run(on: connection, from: version) }
        // A name or a number that a bit has changed is noticed by nothing else until it is asked for.
        guard try connection.integer("PRAGMA application_id") == Schema.applicationID,
            try connection.integer("PRAGMA user_version") == Schema.version,
            try isOld ? shape(connection) == ours : isShapedAsOurs
        else { throw OutboxError(.damaged, "\(path) has a damaged list of tables") }
    }

    private static func shapeOfOurs() throws(SQLiteError) -> [String] {
        let model = try Connection(path: ":memory:")
        try model.execute(Schema.tables)
        return try shape(model)
    }

    /// The tables with the names, the types and the order of their columns.
    private static func shape(_ connection: borrowing Connection) throws(SQLiteError) -> [String] {
        let columns = try connection.prepare(
            """
            SELECT t.name,c.name,c.type,c."notnull",c.pk FROM sqlite_master t,pragma_table_info(t.name) c
            WHERE t.type='table' ORDER BY t.name,c.cid
            """)
        var shape: [String] = []
        while try columns.step() { shape.append((0..<5).map { columns.text($0) }.joined(separator: " ")) }
        return shape
    }

    func transaction<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        try connection.transaction(body)
    }

    // MARK: The log

    /// Copies the log into the file.
    /// - Parameter truncate: also empties it.
    func checkpoint(truncate: Bool) throws(SQLiteError) {
        try connection.checkpoint(truncate: truncate)
    }

    var logPages: Int { connection.logPages }

    // MARK: Size

    /// Bytes of the file, the log left out.
    func size() throws(SQLiteError) -> Int64 {
        // Within a transaction freed pages still count as pages; they go with its commit.
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        return try (pages - (connection.integer("PRAGMA freelist_count") ?? 0)) * Self.pageSize
    }

    // MARK: Meta

    func meta(_ key: String) throws(SQLiteError) -> Int64? {
        try connection.integer("SELECT value FROM meta WHERE key='\(key)'")
    }

    func setMeta(_ key: String, _ value: Int64) throws(SQLiteError) {
        try connection.run("INSERT OR REPLACE INTO meta(key,value) VALUES('\(key)',?)", value)
    }
}

// MARK: Where it was left

extension Database {
    /// Notes where a lane was left, so that blocks which are missing at its end are missed.
    func set(end: Books.Next, of lane: Lane) throws(SQLiteError) {
        try setMeta("next block \(lane.rawValue)", end.block)
        try setMeta("next sequence \(lane.rawValue)", Int64(bitPattern: end.sequence))
    }

    /// Where a lane was when it was last left in order; there may be more by now.
    func end(_ lane: Lane) throws(SQLiteError) -> Books.Next? {
        guard let block = try meta("next block \(lane.rawValue)"),
            let sequence = try meta("next sequence \(lane.rawValue)")
        else { return nil }
        // Beyond these a damaged row has been read.
        return (0...1 << 56).contains(block) && (0...1 << 56).contains(sequence)
            ? Books.Next(block: block, sequence: UInt64(sequence)) : nil
    }
}

// MARK: Keys

extension Database {
    private static let keyPrefix = "key "

    /// Notes that blocks may be sealed with a key; 0 stands for none.
    func note(key: Int64) throws(SQLiteError) {
        if key != 0 { try setMeta(Self.keyPrefix + KeyRing.name(key), key) }
    }

    /// The keys that something here is sealed with, as far as they are noted.
    func keys() throws(SQLiteError) -> [Int64] {
        let statement = try connection.prepare(
            "SELECT value FROM meta WHERE key LIKE '\(Self.keyPrefix)%' ORDER BY key")
        var keys: [Int64] = []
        while try statement.step() { keys.append(statement.integer(0)) }
        return keys
    }

    /// Forgets keys that nothing is sealed with any more. Looks at every block while there are any.
    func forgetKeys(but current: Int64) throws(SQLiteError) {
        for key in try keys() where key != current {
            var isNeeded = false
            for table in Lane.allCases.map({ "block_\($0.rawValue)" }) + ["dead"]
                + SealedRow.Table.allCases.map(\.rawValue)
            where !isNeeded {
                isNeeded = try connection.integer("SELECT 1 FROM \(table) WHERE key_id=? LIMIT 1", key) != nil
            }
            if !isNeeded {
                try connection.run("DELETE FROM meta WHERE key='\(Self.keyPrefix)\(KeyRing.name(key))'")
            }
        }
    }
}

// MARK: Checksums

/// Over the columns of a row, for rows that have no body with a checksum of its own.
func rowChecksum(_ columns: Int64...) -> Int64 { rowChecksum(columns) }

func rowChecksum(_ columns: [Int64]) -> Int64 {
    var out = ByteWriter()
    for column in columns { out.zigzag(column) }
    return Int64(CRC32C.of(out.bytes))
}
