// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Glibc
import Logging
import SQLite

/// The outbox's file, opened and found to be ours and whole; or a new one in its place.
///
/// Whatever is wrong with the file is no reason not to start: what cannot be used is put aside, never deleted, and what
/// is lost by it is told.
struct OpenedFile: ~Copyable {
    let database: Database
    let books: Books
    let catalog: Catalog
    let record: RunRecord
    let identity: FileIdentity?
    /// The epoch it was left with; nil where nothing is in it yet.
    let epochFound: UInt64?
    var isNew: Bool { epochFound == nil }
    /// The number of the first block there is, by lane; what was saved from another database is before.
    let first: PerLane<Int64>
    /// What is lost that nobody can count.
    let losses: [Gap.Cause]

    /// - Parameters:
    ///   - outputs: the names of those that are configured.
    ///   - epoch: that of what is committed from now on.
    /// - Throws: `OutboxError` of kind `inUse` or `newer`, of any other where the disk does not let us; `SQLiteError`.
    static func open(
        _ settings: OutboxSettings, outputs: [String], epoch: UInt64, logger: Logger
    ) throws -> OpenedFile {
        let folder = settings.files
        let last = RunRecordFile(path: folder.record).read()
        let losses: [Gap.Cause] = try checkLog(folder, last, logger) ? [.logLost] : []
        do {
            return try read(settings, outputs, epoch, last, losses, logger)
        } catch  where isDamage(error) {
            let aside = try folder.putAside(isOurs: (error as? OutboxError)?.kind != .foreign)
            logger.error(
                .databaseQuarantined,
                "The database of the outbox cannot be used and is moved to the quarantine; a new database is created",
                metadata: ["error": "\(error)", "folder": "\(aside)"])
            return try read(settings, outputs, epoch, last, losses, logger)
        }
    }

    private static func isDamage(_ error: any Error) -> Bool {
        switch error {
        case let error as SQLiteError: error.kind == .corrupt || error.kind == .other
        case let error as OutboxError: [.foreign, .damaged, .sealed].contains(error.kind)
        default: false
        }
    }

    private static func read(
        _ settings: OutboxSettings, _ names: [String], _ epoch: UInt64, _ last: RunRecord?, _ losses: [Gap.Cause],
        _ logger: Logger
    ) throws -> OpenedFile {
        let folder = settings.files
        let database = try Database(path: folder.database, maxPages: settings.maxPages)
        let epochFound = try database.meta("epoch").map(UInt64.init(bitPattern:))
        let identityFound = try database.meta("identity").map(UInt64.init(bitPattern:))
        if let last, let identityFound, last.identity != 0, last.identity != identityFound {
            throw OutboxError(.foreign, "\(folder.database) is the outbox of another gateway")
        }
        try checkKeys(of: database, settings)
        let isPutAside = !folder.notSalvaged(settings.keys).isEmpty
        // A copy from another day, or nothing where there was something.
        let isStale =
            last.map { last in
                epochFound.map { $0 != last.epoch && $0 != last.epochBefore } ?? !(isPutAside || last.isOfFirstStart)
            } ?? false
        if isStale {
            logger.error(
                .databaseReplaced,
                "The database of the outbox is another database than at the last stop, or an older copy of it",
                metadata: [
                    "epoch": "\(epochFound.map { String($0, radix: 16) } ?? "none")",
                    "expected": "\(last.map { String($0.epoch, radix: 16) } ?? "none")",
                ])
        }
        let books: Books
        let catalog: Catalog
        if epochFound == nil {
            // Beyond every number that was ever given, so that what is saved from the old one has its place before.
            let turn = Int64(clamping: min(last?.turn ?? (isPutAside ? 1 : 0), 1 << 20))
            try database.setMeta("first", turn << Books.turnBits)
            books = Books(first: turn << Books.turnBits, maxSize: settings.maxSize, outputs: names)
            catalog = Catalog()
        } else {
            books = try Books(reading: database, maxSize: settings.maxSize, outputs: names)
            catalog = try CatalogDefinitions.catalog(in: database, mending: true)
        }
        try copyLog(of: database)
        var record = RunRecord(
            turn: last?.turn ?? 0, epoch: epoch, epochBefore: epochFound ?? 0,
            identity: identityFound ?? last.flatMap { $0.identity == 0 ? nil : $0.identity }
                ?? .random(in: 1...UInt64.max), log: .any)
        let first = try PerLane.each { lane throws(SQLiteError) in
            try database.head(lane, from: database.meta("first") ?? 0)?.id ?? books.next[lane].block
        }
        try sign(database, &record, folder, books.outputs, key: settings.keys.current)
        return OpenedFile(
            database: database, books: books, catalog: catalog, record: record,
            identity: Folder.identity(of: folder.database), epochFound: epochFound,
            first: first,
            losses: losses + (isStale ? [.databaseLost] : []))
    }

    /// What cannot be opened is not to be mixed with what can: it is put aside, and what needs no missing key is saved.
    private static func checkKeys(of database: borrowing Database, _ settings: OutboxSettings) throws {
        try database.forgetKeys(but: settings.keys.current)
        let missing = try database.keys().filter { !settings.keys.has($0) }.map(KeyRing.name)
        guard missing.isEmpty else {
            throw OutboxError(
                .sealed,
                "\(settings.files.database) is encrypted with \(missing.count == 1 ? "key" : "keys")"
                    + " \(missing.joined(separator: ", ")), which outbox.encryption does not have")
        }
    }

    /// What the log holds goes into the file before anything follows it there. After a sync that failed, what the system
    /// takes for written may not be on the disk; a later commit behind it would be lost with it. And a log that has been
    /// copied begins anew in the room it has, so that a full disk can be opened.
    private static func copyLog(of database: borrowing Database) throws(SQLiteError) {
        do throws(SQLiteError) {
            try database.checkpoint(truncate: false)
        } catch {
            // Nothing was said to be written that was not.
            guard error.kind == .full else { throw error }
        }
    }

    /// Writes the epoch of this run into the file and beside it, and which log it goes into.
    private static func sign(
        _ database: borrowing Database, _ record: inout RunRecord, _ folder: Folder, _ outputs: [Books.Output],
        key: Int64
    ) throws {
        let file = RunRecordFile(path: folder.record)
        // The record first: where the two differ afterwards, the database has the epoch before.
        try file.write(&record)
        let (epoch, identity) = (record.epoch, record.identity)
        try database.transaction { () throws(SQLiteError) in
            try database.setMeta("epoch", Int64(bitPattern: epoch))
            try database.setMeta("identity", Int64(bitPattern: identity))
            try database.note(key: key)
            for output in outputs { try database.add(output: output.number, output.name) }
        }
        record.log = LogFile(path: folder.log).salt.map { .salt($0) } ?? .any
        try file.write(&record)
    }

    // MARK: The log

    /// Looks whether the log is the one that was written last, and mends it where it is damaged.
    /// - Returns: whether commits are lost with it.
    private static func checkLog(_ folder: Folder, _ last: RunRecord?, _ logger: Logger) throws -> Bool {
        let size = Folder.size(of: folder.log) ?? 0
        guard Folder.size(of: folder.database) ?? 0 > 0 else {
            // A log without its database: SQLite would make one of its pages alone.
            if size > 0 { try putAsideWithoutUse(folder, logger) }
            return false
        }
        switch last?.log {
        case .empty?:
            if size > 0 { try putAsideWithoutUse(folder, logger) }
            return false
        case .salt(let salt)?:
            let state = LogFile(path: folder.log).mend(salt: salt)
            if let found = LogFile(path: folder.log).salt, found == salt || found == salt &+ 1 {
                return try isLost(state, folder, logger)
            }
            if size > 0 { try putLogAside(folder) }
            logger.error(
                .logLost, "The log of the last commits is missing or belongs to another database; its events are lost")
            return true
        case .any?, nil: return try isLost(LogFile(path: folder.log).mend(salt: nil), folder, logger)
        }
    }

    /// A log that had to be mended may have brought pages of different days together, which no check of SQLite's finds:
    /// then block by block is saved what its checksum vouches for.
    private static func isLost(_ state: LogFile.State, _ folder: Folder, _ logger: Logger) throws -> Bool {
        guard state != .whole else { return false }
        logger.error(.logDamaged, "The log of the outbox was damaged", metadata: ["now": "\(state)"])
        if state == .mended { _ = try folder.putAside() }
        return true
    }

    private static func putAsideWithoutUse(_ folder: Folder, _ logger: Logger) throws {
        try putLogAside(folder)
        logger.error(
            .logOfOtherDatabase, "A log that does not belong to the database of the outbox is moved to the quarantine")
    }

    private static func putLogAside(_ folder: Folder) throws {
        let aside = try folder.newAside() + "/outbox.db-wal"
        guard rename(folder.log, aside) == 0 else { throw OutboxError.system("move \(folder.log) to \(aside)", errno) }
        try Folder.sync(of: folder.log)
    }
}
