// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import SQLite

/// How an outbox begins: with its file, or in memory where the disk does not let it.
struct Start: ~Copyable {
    let database: Database
    let books: Books
    let catalog: Catalog
    let record: RunRecord
    let medium: Outbox.Medium
    let trouble: String?

    /// - Throws: `OutboxError` of kind `inUse` or `newer`; everything else is no reason not to start.
    static func open(_ settings: OutboxSettings, outputs: [String], logger: Logger) throws -> Start {
        do {
            let epoch = UInt64.random(in: 1...UInt64.max)
            let file = try OpenedFile.open(settings, outputs: outputs, epoch: epoch, logger: logger)
            return Start(file, settings)
        } catch let error as OutboxError where error.kind == .inUse || error.kind == .newer {
            throw error
        } catch {
            let reason = settings.files.reasonNotWritable ?? "\(error)"
            logger.error(
                .outboxNotOpened,
                "The outbox cannot be opened; it continues in memory and acknowledges nothing that is only there",
                metadata: ["error": "\(reason)", "file": "\(settings.files.database)"])
            return try Start(inMemory: settings, outputs: outputs, reason)
        }
    }

    private init(_ file: consuming OpenedFile, _ settings: OutboxSettings) {
        var books = file.books
        for cause in file.losses { books.ledger.addEnded(.unknown(cause, at: .now)) }
        let isToSalvage = !settings.files.notSalvaged(settings.keys).isEmpty
        if isToSalvage { file.isNew ? books.awaitSalvage() : books.awaitKeyed(before: file.first) }
        // Who took away what was to be saved from knows what that has cost.
        if !isToSalvage, books.forgetSalvage() { books.ledger.addEnded(.unknown(.databaseLost, at: .now)) }
        if file.isNew { books.markUnsaved() }
        self.books = books
        catalog = file.catalog
        record = file.record
        medium = .disk(file.identity)
        trouble = nil
        database = file.database
    }

    private init(inMemory settings: OutboxSettings, outputs: [String], _ trouble: String) throws {
        // Above what the file may have (see `OpenedFile`), and exact in JSON (2^53).
        var books = Books(first: 1 << 52, maxSize: settings.maxSize, outputs: outputs)
        books.awaitSalvage()
        books.markUnsaved()
        medium = .memory(since: books.next.map(\.block))
        self.books = books
        record = RunRecord(turn: 0, epoch: .random(in: 1...UInt64.max), epochBefore: 0, identity: 0, log: .any)
        catalog = Catalog()
        self.trouble = trouble
        database = try Database.inMemory(maxSize: Int64(settings.maxMemory / 2))
    }
}

extension Books {
    /// What an older database holds comes before everything that is committed from now on, once it has been saved.
    mutating func awaitSalvage() {
        for output in outputs.indices {
            for lane in Lane.allCases {
                let first = next[lane].block
                outputs[output].positions[lane].live = Cursor(block: first, done: 0)
                outputs[output].positions[lane].backlog = [.everything(before: first)]
            }
        }
    }

    /// The same for what waited for a key: it comes before everything there is.
    /// - Parameter first: the number of the first block there is, by lane.
    mutating func awaitKeyed(before first: PerLane<Int64>) {
        let isWaiting = outputs.contains { $0.positions.values.contains { $0.backlog.contains { !$0.isReady } } }
        guard !isWaiting else { return }
        for output in outputs.indices {
            for lane in Lane.allCases {
                outputs[output].positions[lane].awaitOlder(before: first[lane])
            }
        }
    }

    /// What comes before these blocks is elsewhere.
    mutating func wait(before since: PerLane<Int64>) {
        for output in outputs.indices {
            for lane in Lane.allCases {
                for index in outputs[output].positions[lane].backlog.indices
                where outputs[output].positions[lane].backlog[index].until <= since[lane] {
                    outputs[output].positions[lane].backlog[index].isReady = false
                }
            }
        }
    }

    /// There is nothing to be saved any more: what is there is sent.
    /// - Returns: whether anything had been waiting for it.
    @discardableResult
    mutating func forgetSalvage() -> Bool {
        var isAny = false
        for output in outputs.indices {
            for lane in Lane.allCases {
                for index in outputs[output].positions[lane].backlog.indices
                where !outputs[output].positions[lane].backlog[index].isReady {
                    outputs[output].positions[lane].backlog[index].isReady = true
                    outputs[output].positions[lane].isBacklogUnsaved = true
                    isAny = true
                }
            }
        }
        return isAny
    }
}

extension Gap {
    /// All that a block holds.
    static func whole(_ block: StoredBlock, cause: Cause) -> Gap {
        Gap(
            cause: cause, lane: block.lane, first: block.first, last: block.end - 1, count: UInt64(block.events),
            since: block.since, until: block.until, outputs: [])
    }

    /// A loss that nobody can count.
    static func unknown(_ cause: Cause, in lane: Lane = .normal, at time: Timestamp) -> Gap {
        Gap(cause: cause, lane: lane, first: 0, last: 0, count: 0, since: time, until: time, outputs: [])
    }
}
