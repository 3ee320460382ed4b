// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import SQLite
import Synchronization

/// What the rules know, as rows: their state now and then, and between two states the readings that came since and are not
/// read again by themselves. Sealed as all else is.
///
/// A reading is noted before its message is committed, and written in the same transaction. So a message that is acknowledged
/// has its effect on the rules also after a crash. A state is written with all that was offered before it: an alarm that it
/// says has started is in the database too.
final class RuleBook: Sendable {
    /// What was written before the outbox was opened.
    struct Kept: Sendable {
        /// Nil where no state was written.
        var state: [UInt8]?
        /// The readings that were noted after it, in their order.
        var notes: [[UInt8]] = []
    }

    /// What is to be written.
    struct Pending {
        fileprivate var state: State?
        fileprivate var notes: [Note]
    }

    /// The rules' state, with how many notes it includes.
    struct State {
        fileprivate var number: Int
        fileprivate var bytes: [UInt8]
        fileprivate var notes: Int
    }

    fileprivate struct Note {
        var number: Int
        var bytes: [UInt8]
    }

    /// Bytes in a row: none may be larger than is read back.
    private static let mostInRow = 4 << 20
    /// Rows from here on are notes, those before it parts of the state.
    private static let firstNote: Int64 = 1 << 20
    /// Bytes of notes that wait for a disk that takes nothing; beyond, the oldest go.
    private static let mostWaiting = 4 << 20

    private struct Contents {
        /// Of an earlier run, until it is asked for.
        var kept: Kept?
        var states = 0
        var state: State?
        /// How many notes have come since the start.
        var noted = 0
        /// Notes that no commit has written.
        var waiting: [Note] = []
        var waitingBytes = 0
        /// Notes that are written, and in no state that is.
        var written: [Note] = []
        var nextRow = firstNote

        /// Drops the notes that a state includes and, if the others still need too much memory, the older half of them.
        mutating func makeRoom() {
            if let state { forget { $0.number <= state.notes } }
            if waitingBytes > RuleBook.mostWaiting, let last = waiting.last?.number {
                let kept = last - waiting.count / 2
                forget { $0.number <= kept }
            }
        }

        /// What waits for no commit any more.
        mutating func forget(_ isMeant: (Note) -> Bool) {
            waiting.removeAll(where: isMeant)
            waitingBytes = waiting.reduce(0) { $0 + $1.bytes.count }
        }
    }

    private let contents: Mutex<Contents>

    /// What is damaged, or sealed with a key that is gone, is left out: rules begin anew.
    init(reading database: borrowing Database, _ codec: borrowing BlockCodec, _ logger: Logger) {
        var contents = Contents()
        do {
            contents.kept = try Self.read(from: database, codec, &contents.nextRow)
        } catch {
            logger.warning(
                .ruleStateUnreadable, "Saved rule state cannot be read; rules start fresh",
                metadata: ["error": "\(error)"])
        }
        self.contents = Mutex(contents)
    }

    func takeKept() -> Kept? { contents.withLock { $0.kept.take() } }

    /// - Parameter notes: how many of the notes since the start it includes.
    func keep(_ bytes: [UInt8], notes: Int) {
        contents.withLock { contents in
            contents.states += 1
            contents.state = State(number: contents.states, bytes: bytes, notes: notes)
        }
    }

    func note(_ bytes: [UInt8]) {
        contents.withLock { contents in
            contents.noted += 1
            contents.waiting.append(Note(number: contents.noted, bytes: bytes))
            contents.waitingBytes += bytes.count
            if contents.waitingBytes > Self.mostWaiting { contents.makeRoom() }
        }
    }

    /// The state that waits to be written.
    var state: State? { contents.withLock { $0.state } }

    /// What a commit is to write; nil for nothing. Notes come with what they are of, and are asked for once that is known.
    /// - Parameter state: one that was there before the commit's batches were taken.
    func pending(with state: State?) -> Pending? {
        contents.withLock { contents in
            if state == nil, contents.waiting.isEmpty { return nil }
            return Pending(state: state, notes: contents.waiting)
        }
    }

    /// What a commit was to write is written; what has come since is not.
    func saved(_ pending: Pending, _ rows: Rows) {
        contents.withLock { contents in
            let last = pending.notes.last?.number ?? 0
            contents.written += pending.notes
            contents.forget { $0.number <= last }
            if let state = pending.state {
                contents.written.removeAll { $0.number <= state.notes }
                if contents.state?.number == state.number { contents.state = nil }
            }
            contents.nextRow = rows.next
        }
    }

    /// Lets go of the state that is to be written: another one comes soon.
    func forgo() { contents.withLock { $0.state = nil } }

    // MARK: Rows

    /// The rows that a commit writes.
    struct Rows {
        fileprivate var rows: [SealedRow] = []
        /// Whether they take the place of all there are.
        fileprivate var areWhole = false
        fileprivate var next: Int64
    }

    func rows(of pending: Pending, _ codec: borrowing BlockCodec) throws -> Rows {
        let (next, written) = contents.withLock { ($0.nextRow, $0.written) }
        var rows = Rows(next: next)
        var notes = pending.notes
        if let state = pending.state {
            rows.areWhole = true
            rows.rows = try Self.rows(of: state, codec)
            // Those that came between the state and its commit.
            notes = (written + notes).filter { $0.number > state.notes }
        }
        if !notes.isEmpty {
            var out = ByteWriter()
            out.varint(UInt64(notes.count))
            for note in notes {
                out.varint(UInt64(note.bytes.count))
                out.raw(note.bytes)
            }
            rows.rows.append(try codec.seal(out.bytes, in: .rule, id: next))
            rows.next += 1
        }
        return rows
    }

    /// The first row begins with how many bytes there are in all.
    private static func rows(of state: State, _ codec: borrowing BlockCodec) throws -> [SealedRow] {
        var whole = ByteWriter()
        whole.varint(UInt64(state.bytes.count))
        whole.raw(state.bytes)
        let bytes = whole.bytes
        return try stride(from: 0, to: bytes.count, by: mostInRow).enumerated().map { place, start in
            let part = Array(bytes[start..<min(start + mostInRow, bytes.count)])
            return try codec.seal(part, in: .rule, id: Int64(place + 1))
        }
    }

    static func save(_ rows: Rows, in database: borrowing Database) throws(SQLiteError) {
        if rows.areWhole { try database.deleteAll(from: .rule) }
        for row in rows.rows { try database.set(row, in: .rule) }
    }

    /// Nil where nothing was written.
    private static func read(
        from database: borrowing Database, _ codec: borrowing BlockCodec, _ nextRow: inout Int64
    ) throws -> Kept? {
        var bytes: [UInt8] = []
        var kept = Kept()
        for row in try database.rows(of: .rule) {
            nextRow = max(nextRow, row.id &+ 1)
            let body = try codec.open(row, of: .rule)
            if row.id < firstNote { bytes += body } else { kept.notes += try notes(in: body) }
        }
        if bytes.isEmpty { return kept.notes.isEmpty ? nil : kept }
        var reader = ByteReader(bytes)
        guard try reader.varint() == UInt64(reader.remaining) else { throw MalformedBytes(expected: "all rows") }
        if !reader.isAtEnd { kept.state = Array(try reader.raw(reader.remaining)) }
        return kept.state == nil && kept.notes.isEmpty ? nil : kept
    }

    private static func notes(in body: [UInt8]) throws -> [[UInt8]] {
        var reader = ByteReader(body)
        var notes: [[UInt8]] = []
        for _ in 0..<(try reader.count()) { notes.append(Array(try reader.raw(try reader.count()))) }
        return notes
    }
}
