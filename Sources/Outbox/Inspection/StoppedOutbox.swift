// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import SQLite

/// The outbox of a gateway that does not run. Mends nothing and puts nothing aside: what is damaged is for `verify` to
/// find.
public actor StoppedOutbox: InspectableOutbox {
    nonisolated public let catalog: Catalog
    nonisolated public let settings: OutboxSettings
    private let lock: FolderLock
    private let database: Database
    private var books: Books
    private let codec: BlockCodec

    /// - Throws: `OutboxError` of kind `inUse` while a gateway has it open; `SQLiteError` where it cannot be read.
    public init(_ settings: OutboxSettings) throws {
        guard access(settings.files.database, F_OK) == 0 else {
            throw OutboxError(.retry, "\(settings.files.database) is not there: has this gateway ever run?")
        }
        self.settings = settings
        codec = BlockCodec(keys: settings.keys)
        lock = try FolderLock(settings.files)
        let database = try Database(path: settings.files.database)
        books = try Books(reading: database, maxSize: settings.maxSize, outputs: [])
        catalog = try CatalogDefinitions.catalog(in: database)
        self.database = database
    }

    public func status() throws -> OutboxStatus {
        try OutboxStatus(
            of: database, books, epoch: UInt64(bitPattern: database.meta("epoch") ?? 0), maxBytes: settings.maxSize,
            key: settings.keys.current)
    }

    public func blocks(_ lane: Lane, from id: Int64) throws -> [StoredBlock] {
        try Inspection.blocks(lane, from: id, in: database)
    }

    public func deadLetters(after id: Int64) throws -> [KeptLetter] {
        try Inspection.letters(after: id, in: database, books, codec)
    }

    public func drop(_ letters: [Int64]) throws -> Int {
        try noteLog(.any)
        let count = try Inspection.drop(letters, in: database, &books, maxSize: settings.maxSize)
        try leave()
        return count
    }

    public func retry(_ letters: [Int64]) throws -> Int {
        try noteLog(.any)
        let count = try Inspection.retry(letters, in: database, &books, settings)
        try leave()
        return count
    }

    public func replay(to output: String, since: Timestamp, until: Timestamp) throws -> Int {
        try noteLog(.any)
        let count = try Inspection.replay(to: output, since: since, until: until, in: database, &books)
        try leave()
        return count
    }

    /// Leaves an empty log, as a clean stop does: one that nobody knows of would be taken for another's.
    private func leave() throws {
        try database.checkpoint(truncate: true)
        try noteLog(.empty)
    }

    private func noteLog(_ log: RunRecord.Log) throws {
        let file = RunRecordFile(path: settings.files.record)
        guard var record = file.read() else { return }
        record.log = log
        try file.write(&record)
    }
}
