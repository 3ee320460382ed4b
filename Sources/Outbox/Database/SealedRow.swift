// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// A row that only the gateway itself reads: compressed, and sealed where the outbox is.
struct SealedRow: Equatable {
    /// The tables that hold them.
    enum Table: String, CaseIterable {
        case alarm
        case window
        case rule
    }

    var id: Int64
    var keyID: Int64
    var crc: Int64
    var body: [UInt8]

    static func checksum(_ table: Table, id: Int64, keyID: Int64, _ body: [UInt8]) -> Int64 {
        var row = ByteWriter()
        row.raw(header(table, id: id))
        row.zigzag(keyID)
        row.raw(body)
        return Int64(CRC32C.of(row.bytes))
    }

    /// What it belongs to, and cannot be taken from.
    static func header(_ table: Table, id: Int64) -> [UInt8] {
        var header = ByteWriter()
        header.string(table.rawValue)
        header.zigzag(id)
        return header.bytes
    }
}

extension BlockCodec {
    func seal(_ bytes: [UInt8], in table: SealedRow.Table, id: Int64) throws -> SealedRow {
        let body = try sealed(bytes, epoch: 0, header: SealedRow.header(table, id: id))
        return SealedRow(
            id: id, keyID: currentKey, crc: SealedRow.checksum(table, id: id, keyID: currentKey, body), body: body)
    }

    func open(_ row: SealedRow, of table: SealedRow.Table) throws -> [UInt8] {
        guard row.crc == SealedRow.checksum(table, id: row.id, keyID: row.keyID, row.body) else {
            throw CorruptBlock(description: "the checksum does not match")
        }
        return try unsealed(row.body, key: row.keyID, epoch: 0, header: SealedRow.header(table, id: row.id))
    }
}

extension Database {
    /// In the order of their numbers.
    func rows(of table: SealedRow.Table) throws(SQLiteError) -> [SealedRow] {
        let statement = try connection.prepare("SELECT id,key_id,crc,body FROM \(table.rawValue) ORDER BY id")
        var rows: [SealedRow] = []
        while try statement.step() {
            rows.append(
                SealedRow(
                    id: statement.integer(0), keyID: statement.integer(1), crc: statement.integer(2),
                    body: statement.bytes(3)))
        }
        return rows
    }

    func set(_ row: SealedRow, in table: SealedRow.Table) throws(SQLiteError) {
        let statement = try connection.prepare(
            "INSERT OR REPLACE INTO \(table.rawValue)(id,key_id,crc,body) VALUES(?,?,?,?)")
        statement.bind(row.id, at: 1)
        statement.bind(row.keyID, at: 2)
        statement.bind(row.crc, at: 3)
        statement.bind(row.body, at: 4)
        try statement.run()
    }

    func deleteAll(from table: SealedRow.Table) throws(SQLiteError) {
        try connection.execute("DELETE FROM \(table.rawValue)")
    }

    func delete(_ id: Int64, from table: SealedRow.Table) throws(SQLiteError) {
        try connection.run("DELETE FROM \(table.rawValue) WHERE id=?", id)
    }
}
