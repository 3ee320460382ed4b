// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// Why SQLite refused. Never carries bound values.
public struct SQLiteError: Error, Equatable, CustomStringConvertible {
    /// The primary result code (sqlite3.h, "Result Codes").
    public let code: Int32
    public let message: String

    public var isBusy: Bool { code == SQLITE_BUSY || code == SQLITE_LOCKED }

    init(code: Int32, message: String) {
        self.code = code & 0xFF
        self.message = message
    }

    public var description: String { "SQLite: \(message) (code \(code))" }
}
