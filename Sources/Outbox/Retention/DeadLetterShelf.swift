// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// The dead letters that are kept: how many for whom, and how much room they take.
///
/// They have a tenth of the outbox's size beside it. There the oldest make room for the newest; from what is still to be
/// sent they take none.
struct DeadLetterShelf {
    /// One that had to go.
    struct Discarded {
        var output: Int64
        var lane: Lane
        var sequence: UInt64
        var at: Timestamp
    }

    private struct Owner: Hashable {
        var output: Int64
        var lane: Lane
    }

    private let room: Int64
    private var counts: [Owner: Int] = [:]
    /// Of their bodies.
    private(set) var bytes: Int64 = 0

    /// - Parameter room: bytes.
    init(room: Int64) {
        self.room = room
    }

    init(in database: borrowing Database, room: Int64) throws(SQLiteError) {
        self.init(room: room)
        for (output, lane, count, bytes) in try database.deadLetters() {
            counts[Owner(output: output, lane: lane)] = count
            self.bytes += bytes
        }
    }

    func count(output: Int64, _ lane: Lane) -> Int {
        counts[Owner(output: output, lane: lane)] ?? 0
    }

    mutating func add(
        _ letter: DeadLetter, output: Int64, body: StoredBlock, in database: borrowing Database
    ) throws(SQLiteError) {
        try database.add(letter, output: output, body: body)
        counts[Owner(output: output, lane: letter.lane), default: 0] += 1
        bytes += Int64(body.body.count)
    }

    /// Lets the oldest go until the rest has room; never the newest.
    mutating func trim(in database: borrowing Database) throws(SQLiteError) -> [Discarded] {
        var discarded: [Discarded] = []
        while bytes > room, let oldest = try database.oldestDeadLetter() {
            try database.deleteDeadLetter(oldest.id)
            bytes -= oldest.bytes
            counts[Owner(output: oldest.letter.output, lane: oldest.letter.lane), default: 1] -= 1
            discarded.append(oldest.letter)
        }
        return discarded
    }
}
