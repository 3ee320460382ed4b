// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite
import Waiting

/// What an operator may ask of an outbox and tell it: of a running gateway's and of a stopped one's.
public protocol InspectableOutbox: Sendable {
    var catalog: Catalog { get }
    var settings: OutboxSettings { get }

    /// Blocks of a lane from a number on, as many as are read at once; empty at the end.
    func blocks(_ lane: Lane, from id: Int64) async throws -> [StoredBlock]

    /// Dead letters with a higher number, as many as are read at once; empty at the end.
    func deadLetters(after id: Int64) async throws -> [KeptLetter]

    /// Lets dead letters go for good.
    /// - Returns: how many there were.
    func drop(_ letters: [Int64]) async throws -> Int

    /// Sends dead letters to their output once more, under their old ids.
    /// - Returns: how many there were.
    func retry(_ letters: [Int64]) async throws -> Int

    /// Sends an output once more what was committed in a span of time and is still there, under the old ids.
    /// - Returns: how many events that is.
    func replay(to output: String, since: Timestamp, until: Timestamp) async throws -> Int
}

/// A dead letter as it is kept.
public struct KeptLetter: Sendable {
    public var number: Int64
    public var output: String
    public var epoch: UInt64
    public var lane: Lane
    public var sequence: UInt64
    public var at: Timestamp
    public var reason: String
    /// The event alone; nil where it cannot be read any more.
    public var event: Batch?
}

/// The same for both kinds.
enum Inspection {
    private static let bytesAtOnce = 1 << 20
    private static let lettersAtOnce = 200

    static func blocks(
        _ lane: Lane, from id: Int64, in database: borrowing Database
    ) throws(SQLiteError) -> [StoredBlock] {
        try database.blocks(lane, from: id, before: .max, bytes: bytesAtOnce, events: .max)
    }

    static func letters(
        after id: Int64, in database: borrowing Database, _ books: Books, _ codec: borrowing BlockCodec
    ) throws(SQLiteError) -> [KeptLetter] {
        try database.deadLetters("id>\(id) ORDER BY id LIMIT \(lettersAtOnce)").map { row in
            KeptLetter(
                number: row.number, output: books.name(ofOutput: row.output) ?? "output \(row.output)",
                epoch: row.block.epoch, lane: row.block.lane, sequence: row.block.first, at: row.at,
                reason: row.reason, event: try? codec.decode(row.block).batch)
        }
    }

    static func drop(
        _ letters: [Int64], in database: borrowing Database, _ books: inout Books, maxSize: Int64
    ) throws(SQLiteError) -> Int {
        let before = try count(database)
        try database.transaction { () throws(SQLiteError) in
            for letter in letters { try database.deleteDeadLetter(letter) }
        }
        books.shelf = try DeadLetterShelf(in: database, room: maxSize / 10)
        return try before - count(database)
    }

    private static func count(_ database: borrowing Database) throws(SQLiteError) -> Int {
        try database.deadLetters().map(\.count).reduce(0, +)
    }

    /// A letter becomes a block before all others, which only its output has still to send.
    static func retry(
        _ letters: [Int64], in database: borrowing Database, _ books: inout Books, _ settings: OutboxSettings
    ) throws(SQLiteError) -> Int {
        var changed = books
        var count = 0
        try database.transaction { () throws(SQLiteError) in
            for letter in letters {
                guard let row = try database.deadLetters("id=\(letter)").first, row.block.isWhole,
                    settings.keys.has(row.block.keyID),
                    let output = changed.outputs.firstIndex(where: { $0.number == row.output })
                else { continue }
                let lane = row.block.lane
                let id = (try database.head(lane, from: .min)?.id ?? changed.next[lane].block) - 1
                guard id > 0 else { break }
                try database.add(row.block.renumbered(id))
                changed.outputs[output].positions[lane].replay(from: id, until: id + 1)
                try database.deleteDeadLetter(letter)
                count += 1
            }
            try changed.save(announced: [], in: database)
        }
        changed.shelf = try DeadLetterShelf(in: database, room: settings.maxSize / 10)
        books = changed
        return count
    }

    static func replay(
        to name: String, since: Timestamp, until: Timestamp, in database: borrowing Database, _ books: inout Books
    ) throws -> Int {
        guard let output = books.outputs.firstIndex(where: { $0.name == name }) else {
            throw OutboxError(
                .retry, "there is no output \(name); there are \(books.outputs.map(\.name).joined(separator: ", "))")
        }
        var changed = books
        var count = 0
        try database.transaction { () throws(SQLiteError) in
            for lane in Lane.allCases {
                // What it has not sent yet it will.
                let end = changed.outputs[output].positions[lane].live.block
                guard
                    let found = try database.span(lane, since: since, until: until, before: end), found.events > 0
                else { continue }
                changed.outputs[output].positions[lane].replay(from: found.first, until: found.last + 1)
                count += found.events
            }
            try changed.save(announced: [], in: database)
        }
        books = changed
        return count
    }
}

extension Position {
    /// Sends blocks once more.
    mutating func replay(from first: Int64, until: Int64) {
        add(BacklogRange(cursor: Cursor(block: first, done: 0), until: until, isReady: true))
    }
}

extension Outbox: InspectableOutbox {
    public func blocks(_ lane: Lane, from id: Int64) throws -> [StoredBlock] {
        try Inspection.blocks(lane, from: id, in: database)
    }

    public func deadLetters(after id: Int64) throws -> [KeptLetter] {
        saveNow()
        return try Inspection.letters(after: id, in: database, books, codec)
    }

    public func drop(_ letters: [Int64]) throws -> Int {
        try Inspection.drop(letters, in: database, &books, maxSize: settings.maxSize)
    }

    public func retry(_ letters: [Int64]) throws -> Int {
        saveNow()
        defer { for bell in bells { bell.ring() } }
        return try Inspection.retry(letters, in: database, &books, settings)
    }

    public func replay(to output: String, since: Timestamp, until: Timestamp) throws -> Int {
        saveNow()
        defer { for bell in bells { bell.ring() } }
        return try Inspection.replay(to: output, since: since, until: until, in: database, &books)
    }
}
