// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

public enum SQLiteLibrary {
    public static var version: String { String(cString: sqlite3_libversion()) }
}
