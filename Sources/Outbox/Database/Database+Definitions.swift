// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

extension Database {
    /// The definitions of a table in the order of their numbers; nil stands for one that is damaged or missing.
    func definitions(_ table: String) throws(SQLiteError) -> [[UInt8]?] {
        let statement = try connection.prepare("SELECT id,definition,crc FROM \(table) ORDER BY id")
        var definitions: [[UInt8]?] = []
        while try statement.step() {
            let number = statement.integer(0)
            guard number >= definitions.count, number < Self.mostDefinitions else { continue }
            while definitions.count < number { definitions.append(nil) }
            let definition = statement.bytes(1)
            definitions.append(
                statement.integer(2) == Self.checksum(ofDefinition: definition, number: number) ? definition : nil)
        }
        return definitions
    }

    /// More than any gateway has; a number beyond is a damaged one.
    private static let mostDefinitions: Int64 = 1 << 24

    func addDefinition(_ table: String, number: Int, _ definition: [UInt8]) throws(SQLiteError) {
        let statement = try connection.prepare("INSERT OR REPLACE INTO \(table)(id,definition,crc) VALUES(?,?,?)")
        statement.bind(Int64(number), at: 1)
        statement.bind(definition, at: 2)
        statement.bind(Self.checksum(ofDefinition: definition, number: Int64(number)), at: 3)
        try statement.run()
    }

    static func checksum(ofDefinition definition: [UInt8], number: Int64) -> Int64 {
        var out = ByteWriter()
        out.zigzag(number)
        out.raw(definition)
        return Int64(CRC32C.of(out.bytes))
    }
}
