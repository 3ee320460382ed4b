// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite
import Glibc

/// Why SQLite refused. Never carries bound values.
public struct SQLiteError: Error, Equatable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// Another connection has it.
        case busy
        /// No room: the disk, a quota, or the database's own limit.
        case full
        /// What was read is no database, or not one that hangs together.
        case corrupt
        /// It may not be written or opened as things are.
        case denied
        /// The disk failed. What was written before may be lost (Rebello et al., USENIX ATC 2020): the handle is done.
        case io
        case other
    }

    /// The extended result code (sqlite3.h, "Extended Result Codes").
    public let code: Int32
    /// `errno` of the call that failed beneath SQLite; 0 where there was none.
    public let systemCode: Int32
    public let message: String

    init(code: Int32, systemCode: Int32, message: String) {
        self.code = code
        self.systemCode = systemCode
        self.message = message
    }

    init(of database: OpaquePointer) {
        let code = sqlite3_extended_errcode(database)
        let isOfSystem = [SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_READONLY].contains(code & 0xFF)
        let last = isOfSystem ? headgate_last_errno(database) : 0
        self.init(
            code: code, systemCode: isOfSystem && last == 0 ? sqlite3_system_errno(database) : last,
            message: String(cString: sqlite3_errmsg(database)))
    }

    public var kind: Kind {
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED: .busy
        case SQLITE_FULL: .full
        case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
        case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: .denied
        case SQLITE_IOERR: ioKind
        default: .other
        }
    }

    /// SQLite knows ENOSPC as a full disk, not a quota that is used up; and a file that ends too soon is no fault of
    /// the disk.
    private var ioKind: Kind {
        if code == headgate_ioerr_short_read { return .corrupt }
        switch systemCode {
        case EDQUOT, ENOSPC: return .full
        case EROFS, EACCES, EPERM: return .denied
        default: return .io
        }
    }

    public var description: String {
        let system = systemCode == 0 ? "" : ": \(String(cString: strerror(systemCode)))"
        return "SQLite: \(message)\(system) (code \(code))"
    }
}
