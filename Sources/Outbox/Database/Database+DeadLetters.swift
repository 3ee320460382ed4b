// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

extension Database {
    func add(_ letter: DeadLetter, output: Int64, body: StoredBlock) throws(SQLiteError) {
        let statement = try connection.prepare(
            "INSERT INTO dead(output,epoch,lane,sequence,at,reason,codec,crc,body,key_id) VALUES(?,?,?,?,?,?,?,?,?,?)")
        statement.bind(output, at: 1)
        statement.bind(Int64(bitPattern: letter.epoch), at: 2)
        statement.bind(Int64(letter.lane.rawValue), at: 3)
        statement.bind(Int64(bitPattern: letter.sequence), at: 4)
        statement.bind(letter.at.microseconds, at: 5)
        statement.bind(letter.reason, at: 6)
        statement.bind(body.codec, at: 7)
        statement.bind(Int64(body.crc), at: 8)
        statement.bind(body.body, at: 9)
        statement.bind(body.keyID, at: 10)
        try statement.run()
    }

    /// How many there are, and the bytes of their bodies, by output and lane. Reads them all.
    func deadLetters() throws(SQLiteError) -> [(output: Int64, lane: Lane, count: Int, bytes: Int64)] {
        let statement = try connection.prepare(
            "SELECT output,lane,count(*),sum(length(body)) FROM dead GROUP BY output,lane")
        var letters: [(output: Int64, lane: Lane, count: Int, bytes: Int64)] = []
        while try statement.step() {
            guard let lane = Lane(rawValue: UInt8(clamping: statement.integer(1))) else { continue }
            letters.append((statement.integer(0), lane, Int(statement.integer(2)), statement.integer(3)))
        }
        return letters
    }

    typealias LetterRow = (number: Int64, output: Int64, at: Timestamp, reason: String, block: StoredBlock)

    static let letterColumns = "output,epoch,lane,sequence,at,reason,codec,key_id,body,crc"

    /// Those of which a condition holds, each as a block of one event.
    func deadLetters(_ condition: String) throws(SQLiteError) -> [LetterRow] {
        let statement = try connection.prepare("SELECT id,\(Self.letterColumns) FROM dead WHERE \(condition)")
        var letters: [LetterRow] = []
        while try statement.step() { letters.append(Self.letter(statement)) }
        return letters
    }

    static func letter(_ row: borrowing Statement) -> LetterRow {
        let at = Timestamp(microseconds: row.integer(5))
        let block = StoredBlock(
            lane: Lane(rawValue: UInt8(clamping: row.integer(3))) ?? .normal, id: 0,
            epoch: UInt64(bitPattern: row.integer(2)), first: sequence(row.integer(4)), events: 1,
            readings: 0, since: at, until: at, committed: at, codec: row.integer(7), keyID: row.integer(8),
            crc: UInt32(truncatingIfNeeded: row.integer(10)), body: row.bytes(9))
        return (row.integer(0), row.integer(1), at, row.text(6), block)
    }

    /// The oldest where there is more than one.
    func oldestDeadLetter() throws(SQLiteError) -> (id: Int64, bytes: Int64, letter: DeadLetterShelf.Discarded)? {
        let statement = try connection.prepare(
            "SELECT id,length(body),output,lane,sequence,at FROM dead WHERE id<(SELECT max(id) FROM dead)"
                + " ORDER BY id LIMIT 1")
        guard try statement.step() else { return nil }
        let letter = DeadLetterShelf.Discarded(
            output: statement.integer(2), lane: Lane(rawValue: UInt8(clamping: statement.integer(3))) ?? .normal,
            sequence: UInt64(bitPattern: statement.integer(4)), at: Timestamp(microseconds: statement.integer(5)))
        return (statement.integer(0), statement.integer(1), letter)
    }

    func deleteDeadLetter(_ id: Int64) throws(SQLiteError) {
        try connection.run("DELETE FROM dead WHERE id=?", id)
    }

    /// Copies all, as far as they can be read.
    func moveDeadLetters(to other: borrowing Database) throws(SQLiteError) {
        let columns = "output,epoch,lane,sequence,at,reason,codec,crc,body,key_id"
        let read = try connection.prepare("SELECT \(columns) FROM dead ORDER BY id")
        let write = try other.connection.prepare("INSERT INTO dead(\(columns)) VALUES(?,?,?,?,?,?,?,?,?,?)")
        while try read.step() {
            for column in Int32(0)..<10 {
                switch column {
                case 5: write.bind(read.text(column), at: column + 1)
                case 8: write.bind(read.bytes(column), at: column + 1)
                default: write.bind(read.integer(column), at: column + 1)
                }
            }
            try write.run()
        }
    }
}
