// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

package enum SQLiteLibrary {
    package static var version: String { String(cString: sqlite3_libversion()) }
}
