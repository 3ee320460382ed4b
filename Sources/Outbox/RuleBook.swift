// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import SQLite
import Synchronization

/// What rules know and how far they are, as they last told it: kept with the commit that comes next, sealed as all else is.
///
/// Whoever tells it does not wait for the disk. After a crash they go on with what was kept last.
final class RuleBook: Sendable {
    /// What is to be kept.
    struct Note {
        fileprivate var number: Int
        var bytes: [UInt8]
    }

    /// Bytes in a row: none may be larger than is read back.
    private static let mostInRow = 4 << 20

    private struct State {
        /// Of an earlier run, until it is asked for.
        var kept: [UInt8]?
        var count = 0
        var note: Note?
    }

    private let state: Mutex<State>

    /// What is damaged, or sealed with a key that is gone, is left out: rules begin anew.
    init(reading database: borrowing Database, _ codec: borrowing BlockCodec, _ logger: Logger) {
        var kept: [UInt8]?
        do {
            kept = try Self.read(from: database, codec)
        } catch {
            logger.warning("how far rules were is not known any more", metadata: ["error": "\(error)"])
        }
        state = Mutex(State(kept: kept))
    }

    func takeKept() -> [UInt8]? { state.withLock { $0.kept.take() } }

    func keep(_ bytes: [UInt8]) {
        state.withLock {
            $0.count += 1
            $0.note = Note(number: $0.count, bytes: bytes)
        }
    }

    /// What the next commit is to keep; nil where that has been.
    var next: Note? { state.withLock { $0.note } }

    /// A note is kept; what has been told since is not.
    func saved(_ note: Note) {
        state.withLock { if $0.note?.number == note.number { $0.note = nil } }
    }

    /// Lets go of what is to be kept.
    func forgo() { state.withLock { $0.note = nil } }

    /// The first row begins with how many bytes there are in all.
    static func rows(of note: Note, _ codec: borrowing BlockCodec) throws -> [SealedRow] {
        var whole = ByteWriter()
        whole.varint(UInt64(note.bytes.count))
        whole.raw(note.bytes)
        let bytes = whole.bytes
        return try stride(from: 0, to: bytes.count, by: mostInRow).enumerated().map { place, start in
            let part = Array(bytes[start..<min(start + mostInRow, bytes.count)])
            return try codec.seal(part, in: .rule, id: Int64(place + 1))
        }
    }

    static func save(_ rows: [SealedRow], in database: borrowing Database) throws(SQLiteError) {
        try database.deleteAll(from: .rule)
        for row in rows { try database.set(row, in: .rule) }
    }

    /// Nil where nothing was kept.
    private static func read(
        from database: borrowing Database, _ codec: borrowing BlockCodec
    ) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        for row in try database.rows(of: .rule) { bytes += try codec.open(row, of: .rule) }
        if bytes.isEmpty { return nil }
        var reader = ByteReader(bytes)
        guard try reader.varint() == UInt64(reader.remaining) else { throw MalformedBytes(expected: "all rows") }
        return reader.isAtEnd ? nil : Array(try reader.raw(reader.remaining))
    }
}
