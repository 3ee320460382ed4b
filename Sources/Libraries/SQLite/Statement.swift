// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// A prepared statement. Parameters count from 1, columns from 0, as in SQLite.
public struct Statement: ~Copyable {
    private let handle: OpaquePointer
    private let sql: String
    private let cache: StatementCache

    init(_ handle: OpaquePointer, _ sql: String, _ cache: StatementCache) {
        self.handle = handle
        self.sql = sql
        self.cache = cache
    }

    deinit {
        cache.put(handle, sql)
    }

    public func bind(_ value: Int64, at parameter: Int32) {
        sqlite3_bind_int64(handle, parameter, value)
    }

    public func bind(_ text: String, at parameter: Int32) {
        var text = text
        text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                _ = headgate_bind_text(handle, parameter, $0.baseAddress, UInt64($0.count))
            }
        }
    }

    public func bind(_ bytes: [UInt8], at parameter: Int32) {
        bytes.withUnsafeBytes { _ = headgate_bind_blob(handle, parameter, $0.baseAddress, UInt64($0.count)) }
    }

    /// Steps once. True where a row is there to read.
    public func step() throws(SQLiteError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let database = sqlite3_db_handle(handle)
            let error = database.map { SQLiteError(of: $0) }
            sqlite3_reset(handle)
            throw error ?? SQLiteError(code: SQLITE_ERROR, systemCode: 0, message: "no database")
        }
    }

    /// Runs a statement that returns no rows, and makes it ready for the next time.
    public func run() throws(SQLiteError) {
        _ = try step()
        reset()
    }

    public func reset() {
        sqlite3_reset(handle)
    }

    public func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    public func text(_ column: Int32) -> String {
        String(decoding: bytes(column), as: UTF8.self)
    }

    public func bytes(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
