// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// Why SQLite refused. Never carries bound values.
package struct SQLiteError: Error, Equatable, CustomStringConvertible {
    /// The primary result code (sqlite3.h, "Result Codes").
    package let code: Int32
    package let message: String

    package var isBusy: Bool { code == SQLITE_BUSY || code == SQLITE_LOCKED }

    init(code: Int32, message: String) {
        self.code = code & 0xFF
        self.message = message
    }

    package var description: String { "SQLite: \(message) (code \(code))" }
}
