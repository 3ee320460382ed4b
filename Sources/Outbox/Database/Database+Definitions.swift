// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// A table of definitions, and its copy.
enum DefinitionTable: String {
    case device
    case series

    fileprivate var both: [String] { [rawValue, rawValue + "_copy"] }
}

extension Database {
    /// The definitions of a table in the order of their numbers; nil stands for one that is damaged or missing in both
    /// copies.
    /// - Parameter mending: whether what one copy lacks is put into it, from the other.
    func definitions(_ table: DefinitionTable, mending: Bool = false) throws(SQLiteError) -> [[UInt8]?] {
        var copies: [[[UInt8]?]] = []
        for name in table.both {
            var copy: [[UInt8]?] = []
            try read(name, into: &copy)
            copies.append(copy)
        }
        let all = Self.merged(copies)
        guard mending else { return all }
        for (name, copy) in zip(table.both, copies) {
            for (number, definition) in all.enumerated() {
                guard let definition, !copy.indices.contains(number) || copy[number] == nil else { continue }
                try add(definition, number: number, to: name)
            }
        }
        return all
    }

    /// Those that can be read of a database that is damaged.
    func legibleDefinitions(_ table: DefinitionTable) -> [[UInt8]?] {
        Self.merged(
            table.both.map { name in
                var copy: [[UInt8]?] = []
                try? read(name, into: &copy)
                return copy
            })
    }

    private static func merged(_ copies: [[[UInt8]?]]) -> [[UInt8]?] {
        (0..<(copies.map(\.count).max() ?? 0)).map { number in
            copies.lazy.compactMap { $0.indices.contains(number) ? $0[number] : nil }.first
        }
    }

    func addDefinition(_ table: DefinitionTable, number: Int, _ definition: [UInt8]) throws(SQLiteError) {
        for copy in table.both { try add(definition, number: number, to: copy) }
    }

    private func read(_ copy: String, into definitions: inout [[UInt8]?]) throws(SQLiteError) {
        let statement = try connection.prepare("SELECT id,definition,crc FROM \(copy) ORDER BY id")
        while try statement.step() {
            let number = statement.integer(0)
            guard number >= 0, number < Self.mostDefinitions else { continue }
            while definitions.count <= number { definitions.append(nil) }
            let definition = statement.bytes(1)
            if statement.integer(2) == Self.checksum(ofDefinition: definition, number: number) {
                definitions[Int(number)] = definition
            }
        }
    }

    /// More than any gateway has; a number beyond is a damaged one.
    private static let mostDefinitions: Int64 = 1 << 24

    private func add(_ definition: [UInt8], number: Int, to copy: String) throws(SQLiteError) {
        let statement = try connection.prepare("INSERT OR REPLACE INTO \(copy)(id,definition,crc) VALUES(?,?,?)")
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
