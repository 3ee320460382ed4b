// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// A row of the loss ledger: a gap that may still grow, until it is announced.
struct GapRow {
    var id: Int64
    var gap: Gap
}

extension Database {
    /// Those that are not yet announced.
    func openGaps() throws(SQLiteError) -> [GapRow] { try gaps("announced=0") }

    /// As many as are kept, announced or not.
    func gaps() throws(SQLiteError) -> [GapRow] { try gaps("1") }

    private func gaps(_ condition: String) throws(SQLiteError) -> [GapRow] {
        let statement = try connection.prepare(
            "SELECT id,cause,lane,first,last,count,since,until,outputs FROM gap WHERE \(condition) ORDER BY id")
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
                + " VALUES(?,?,?,?,?,?,?,?,?,0)")
        // What is not bound is null: the next number.
        if let id { statement.bind(id, at: 1) }
        statement.bind(Int64(gap.cause.rawValue), at: 2)
        statement.bind(Int64(gap.lane.rawValue), at: 3)
        statement.bind(Int64(bitPattern: gap.first), at: 4)
        statement.bind(Int64(bitPattern: gap.last), at: 5)
        statement.bind(Int64(bitPattern: gap.count), at: 6)
        statement.bind(gap.since.microseconds, at: 7)
        statement.bind(gap.until.microseconds, at: 8)
        statement.bind(gap.outputs.joined(separator: ","), at: 9)
        try statement.run()
        return connection.lastInsertedRow
    }

    func deleteOpenGaps() throws(SQLiteError) {
        try connection.run("DELETE FROM gap WHERE announced=0")
    }

    func markAnnounced(_ ids: [Int64]) throws(SQLiteError) {
        for id in ids { try connection.run("UPDATE gap SET announced=1 WHERE id=?", id) }
        // What is announced is in the outbox as an event; a few rows stay for whoever looks into the file.
        if let last = ids.max() { try connection.run("DELETE FROM gap WHERE announced=1 AND id<?-1000", last) }
    }
}
