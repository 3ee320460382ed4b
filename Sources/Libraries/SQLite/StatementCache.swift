// Headgate
// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// Statements that are prepared and idle, by their text. To parse them anew took as long as what they do: with the cache
/// a commit of ten readings costs half the CPU time.
final class StatementCache {
    /// A text with a value in it never comes again: values are to be bound.
    private static let most = 64
    private var idle: [String: OpaquePointer] = [:]
    private var isOpen = true

    func take(_ sql: String) -> OpaquePointer? {
        idle.removeValue(forKey: sql)
    }

    /// Takes back a statement that is no longer used.
    func put(_ statement: OpaquePointer, _ sql: String) {
        sqlite3_reset(statement)
        guard isOpen, idle[sql] == nil else {
            sqlite3_finalize(statement)
            return
        }
        if idle.count >= Self.most { finalizeAll() }
        sqlite3_clear_bindings(statement)
        idle[sql] = statement
    }

    /// A connection with statements is not closed.
    func close() {
        isOpen = false
        finalizeAll()
    }

    private func finalizeAll() {
        for statement in idle.values { sqlite3_finalize(statement) }
        idle.removeAll()
    }
}
