// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// Brings the database of an older version to this one, in one transaction: either version is there after a power cut,
/// never something between.
enum Migration {
    static func run(on connection: borrowing Connection, from version: Int64) throws(SQLiteError) {
        try connection.transaction { () throws(SQLiteError) in
            if version < 2 { try addChecksums(connection) }
            if version < 3 {
                try addChecksumsToDeadLetters(connection)
                try connection.execute(Schema.markTable)
            }
            if version < 4 { try addCopies(connection) }
            if version < 5 { try connection.execute(Schema.sealedTables) }
            if version < 6 { try connection.execute(Schema.ruleTable) }
            // A database of version 1 has just got the table of the backlog, with these columns.
            if version >= 2 { try addHeldRanges(connection) }
            try connection.execute("PRAGMA user_version=\(Schema.version)")
        }
    }

    private static func addChecksums(_ connection: borrowing Connection) throws(SQLiteError) {
        for lane in Lane.allCases {
            try connection.execute("ALTER TABLE block_\(lane.rawValue) ADD COLUMN last INTEGER NOT NULL DEFAULT 0")
        }
        for table in ["cursor", "device", "series"] {
            try connection.execute("ALTER TABLE \(table) ADD COLUMN crc INTEGER NOT NULL DEFAULT 0")
        }
        try connection.execute("ALTER TABLE dead ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0")
        try connection.execute(Schema.replayTable)
        for table in ["device", "series"] { try addChecksums(connection, toDefinitions: table) }
        try addChecksumsToCursors(connection)
    }

    private static func addChecksums(
        _ connection: borrowing Connection, toDefinitions table: String
    ) throws(SQLiteError) {
        let read = try connection.prepare("SELECT id,definition FROM \(table)")
        let write = try connection.prepare("UPDATE \(table) SET crc=? WHERE id=?")
        while try read.step() {
            write.bind(Database.checksum(ofDefinition: read.bytes(1), number: read.integer(0)), at: 1)
            write.bind(read.integer(0), at: 2)
            try write.run()
        }
    }

    private static func addChecksumsToDeadLetters(_ connection: borrowing Connection) throws(SQLiteError) {
        let read = try connection.prepare("SELECT id,\(Database.letterColumns) FROM dead")
        let write = try connection.prepare("UPDATE dead SET crc=? WHERE id=?")
        while try read.step() {
            write.bind(Int64(Database.letter(read).block.checksum()), at: 1)
            write.bind(read.integer(0), at: 2)
            try write.run()
        }
    }

    private static func addHeldRanges(_ connection: borrowing Connection) throws(SQLiteError) {
        for column in Schema.heldColumns { try connection.execute("ALTER TABLE replay ADD COLUMN \(column)") }
    }

    private static func addCopies(_ connection: borrowing Connection) throws(SQLiteError) {
        try connection.execute(Schema.copyTables)
        for table in ["device", "series"] {
            try connection.execute("INSERT INTO \(table)_copy SELECT id,definition,crc FROM \(table)")
        }
    }

    private static func addChecksumsToCursors(_ connection: borrowing Connection) throws(SQLiteError) {
        let read = try connection.prepare("SELECT output,lane,block,done FROM cursor")
        let write = try connection.prepare("UPDATE cursor SET crc=? WHERE output=? AND lane=?")
        while try read.step() {
            write.bind(rowChecksum(read.integer(0), read.integer(1), read.integer(2), read.integer(3)), at: 1)
            write.bind(read.integer(0), at: 2)
            write.bind(read.integer(1), at: 3)
            try write.run()
        }
    }
}
