// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// One database connection, used by one owner on one thread at a time.
///
/// Opened without SQLite's own mutexes: the owner is an actor, so there is no one to guard against.
public struct Connection: ~Copyable {
    let handle: OpaquePointer
    private let statements = StatementCache()

    /// Pages in the write-ahead log after the last commit; SQLite's hook writes it.
    private let pagesInLog: UnsafeMutablePointer<Int32>

    /// - Parameter path: `:memory:` for one without a file.
    public init(path: String) throws(SQLiteError) {
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(
            path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nil)
        guard let opened else { throw SQLiteError(code: code, systemCode: 0, message: "out of memory") }
        guard code == SQLITE_OK else {
            let error = SQLiteError(of: opened)
            sqlite3_close_v2(opened)
            throw error
        }
        handle = opened
        // A checkpoint at closing would sync again where a sync has just failed. Its owner says when to make one.
        headgate_no_checkpoint_on_close(opened)
        pagesInLog = .allocate(capacity: 1)
        pagesInLog.initialize(to: 0)
        let count:
            @convention(c) (
                UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CChar>?, Int32
            ) -> Int32 = { count, _, _, pages in
                count?.assumingMemoryBound(to: Int32.self).pointee = pages
                return SQLITE_OK
            }
        // Also takes the place of SQLite's own checkpoints, whose errors nobody would see.
        sqlite3_wal_hook(opened, count, pagesInLog)
    }

    deinit {
        statements.close()
        // v2: statements that outlive the connection keep it until they are finalised.
        sqlite3_close_v2(handle)
        pagesInLog.deallocate()
    }

    /// Pages that the write-ahead log held after the last commit.
    public var logPages: Int { Int(pagesInLog.pointee) }

    /// Runs statements that return nothing.
    public func execute(_ sql: String) throws(SQLiteError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw error() }
    }

    /// A statement with values for its first parameters. Prepared once: a text should have no values in it.
    public func prepare(_ sql: String, _ values: Int64...) throws(SQLiteError) -> Statement {
        try prepare(sql, values)
    }

    private func prepare(_ sql: String, _ values: [Int64]) throws(SQLiteError) -> Statement {
        var prepared = statements.take(sql)
        if prepared == nil {
            let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
            guard code == SQLITE_OK else { throw error() }
        }
        // Only a text without a statement gives none.
        guard let prepared else { throw error() }
        let statement = Statement(prepared, sql, statements)
        for (place, value) in values.enumerated() { statement.bind(value, at: Int32(place + 1)) }
        return statement
    }

    /// Runs one statement that returns nothing.
    public func run(_ sql: String, _ values: Int64...) throws(SQLiteError) {
        let statement = try prepare(sql, values)
        _ = try statement.step()
    }

    /// The first column of the first row, or nil where there is none.
    public func integer(_ sql: String, _ values: Int64...) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql, values)
        return try statement.step() ? statement.integer(0) : nil
    }

    /// The first column of the first row as text, or nil where there is none.
    public func text(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : nil
    }

    /// Runs `body` in one transaction: all of it is kept, or none.
    public func transaction<Result>(
        _ body: () throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> Result {
        try run("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // Some errors (a full disk among them) have rolled back already; then this one says so, harmlessly.
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
            throw error
        }
    }

    /// Copies what the write-ahead log holds into the database file.
    /// - Parameter truncate: also shrinks the log to nothing.
    /// - Returns: the pages the log held.
    @discardableResult
    public func checkpoint(truncate: Bool) throws(SQLiteError) -> Int {
        var pages: Int32 = 0
        let mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        guard sqlite3_wal_checkpoint_v2(handle, nil, mode, &pages, nil) == SQLITE_OK else { throw error() }
        return Int(pages)
    }

    public var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(handle) }

    private func error() -> SQLiteError { SQLiteError(of: handle) }
}
