// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import SQLite
import Waiting

// What happens when the disk does not do what it should.
//
//     full ─▶ ballast, then what the lanes let go ─▶ again
//     anything else ─▶ leave the disk: on in memory, under a new epoch
//                        ├─ the file is damaged ─▶ put it aside, save from it what there is
//                        └─ back on new handles, at once and then every few seconds
//
// A handle on which a write or a sync has failed is never used again: what the system says was written may not have
// been (Rebello et al., USENIX ATC 2020). In memory everything goes on but acknowledging: a source that waits is told
// once its batch is on the disk, or once every output has it.

/// Receipts for what is in memory alone.
struct HeldReceipts {
    var receipts: [Receipt]
    /// The block after its last, by lane.
    var next: [Int64]

    func settle(isSafe: Bool) {
        for receipt in receipts { receipt.settle(isSafe: isSafe) }
    }
}

extension Outbox {
    private static let ballastInterval = Duration.seconds(30)
    /// Failures of one file in a row after which it is put aside.
    private static let mostFailures = 5

    var isDiskWell: Bool {
        if case .disk = medium { ballastIsThere } else { false }
    }

    /// False while what is said to be stored is not, or nothing is stored at all.
    public var isSound: Bool { trouble == nil }

    // MARK: Mending

    /// Does what there is to do about an error.
    /// - Returns: whether what failed may be tried again at once.
    func mend(_ error: any Error, attempt: Int) -> Bool {
        guard let error = error as? SQLiteError, error.kind != .busy else { return false }
        guard case .disk = medium else { return error.kind == .full && makeRoom(attempt) }
        switch error.kind {
        case .full:
            if makeRoom(attempt) { return true }
            leaveDisk("\(error)")
        case .corrupt, .other:
            if error.kind == .corrupt {
                expectedEnds = books.next.map(\.sequence)
            } else {
                // What was read of it was not so: nobody knows what else was in it.
                books.ledger.addEnded(.unknown(.databaseLost, at: .now))
            }
            leaveDisk("\(error)")
            putFileAside()
            if attempt < 3 { returnToDisk() }
        case .io, .denied, .busy:
            fileFailures += 1
            leaveDisk("\(error)")
            if attempt < 3 { returnToDisk() }
        }
        return true
    }

    private func makeRoom(_ attempt: Int) -> Bool {
        do {
            // Somebody else's file may be gone by the time the ballast is used up: first that, then what is ours.
            let isEnough = releaseBallast()
            if !isEnough || attempt > 1 { try letGo(bytes: max(settings.ballastSize / 4, 1 << 16), .diskFull) }
            if case .disk = medium { try database.checkpoint(truncate: true) }
            return true
        } catch {
            logger.error("no room can be made", metadata: ["error": "\(error)"])
            return false
        }
    }

    private func releaseBallast() -> Bool {
        guard case .disk = medium, ballast.release() else { return false }
        ballastIsThere = false
        nextTry = .now + Self.ballastInterval
        trouble = "the disk is full"
        logger.error("the disk is full: the ballast is let go", metadata: ["bytes": "\(settings.ballastSize)"])
        return true
    }

    private var ballast: Ballast { Ballast(path: settings.files.ballast, size: settings.ballastSize) }

    // MARK: Leaving

    /// Goes on in memory.
    private func leaveDisk(_ reason: String) {
        do {
            var other = try Database.inMemory(maxSize: Int64(settings.maxMemory / 2))
            for output in books.outputs { try other.add(output: output.number, output.name) }
            swap(&database, &other)
        } catch {
            logger.critical("not even memory takes the outbox", metadata: ["error": "\(error)"])
            return
        }
        salvage = nil
        let since = books.next.map(\.block)
        for output in books.outputs.indices {
            for lane in since.indices { books.outputs[output].positions[lane].leave(at: since[lane]) }
        }
        books.markUnsaved()
        medium = .memory(since: since, reason: reason)
        began(epoch: .random(in: 1...UInt64.max))
        if trouble == nil {
            logger.error(
                "the outbox's disk fails: it goes on in memory, and nothing is acknowledged that only it has",
                metadata: ["error": "\(reason)"])
        }
        trouble = reason
        diskPauses.reset()
        nextTry = .now + diskPauses.next(fraction: 1)
    }

    private func putFileAside() {
        // A file that is damaged again and again is not the file's fault.
        putAsides.removeAll { $0.duration(to: .now) > .seconds(60) }
        guard putAsides.count < 3 else { return }
        putAsides.append(.now)
        do {
            let aside = try settings.files.putAside()
            logger.error("the outbox's database is put aside", metadata: ["folder": "\(aside)"])
        } catch {
            logger.error("the outbox's database cannot be put aside", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Returning

    /// Back to the disk, with what has gathered in memory.
    private func returnToDisk() {
        guard case .memory(let since, _) = medium else { return }
        nextTry = .now + diskPauses.next(fraction: 1)
        do {
            if fileFailures >= Self.mostFailures {
                fileFailures = 0
                putFileAside()
            }
            var file = try OpenedFile.open(settings, outputs: outputs.map(\.name), logger: logger)
            if !file.isNew, file.epochFound != fileEpoch {
                // It was not ours when we began, or is an older copy now: its numbers mean something else.
                close(file)
                _ = try settings.files.putAside()
                file = try OpenedFile.open(settings, outputs: outputs.map(\.name), logger: logger)
            }
            fileEpoch = file.record.epoch
            try adopt(file, since)
            database = file.database
            hasReturned()
        } catch {
            logger.debug("the outbox's disk still fails", metadata: ["error": "\(error)"])
        }
    }

    private func close(_ file: consuming OpenedFile) {}

    /// Brings what is in memory into the file.
    private func adopt(_ file: borrowing OpenedFile, _ since: [Int64]) throws(SQLiteError) {
        var books = self.books
        let isSalvageWaiting = !settings.files.notSalvaged().isEmpty || orphan != nil
        if !isSalvageWaiting { books.forgetSalvage() }
        books.markUnsaved()
        let now = Timestamp.now
        for cause in file.losses { books.ledger.addEnded(.unknown(cause, at: now)) }
        let isNew = file.isNew
        try file.database.transaction { () throws(SQLiteError) in
            if !isNew {
                // A commit that failed may have reached the file all the same. It is in memory too.
                for lane in Lane.allCases { try file.database.delete(lane, from: since[Int(lane.rawValue)]) }
                try file.database.deleteOpenGaps()
            }
            for output in books.outputs { try file.database.add(output: output.number, output.name) }
            try CatalogDefinitions.store(catalog.contents, beyond: &books.stored, in: file.database)
            for lane in Lane.allCases { try move(lane, to: file.database) }
            try database.moveDeadLetters(to: file.database)
            try books.save(announced: [], in: file.database)
        }
        self.books = books
        record = file.record
        medium = .disk(file.identity)
        began(epoch: file.record.epoch)
    }

    private func hasReturned() {
        for one in held { one.settle(isSafe: true) }
        held.removeAll()
        trouble = nil
        logger.notice("the outbox is on the disk again")
        for bell in bells { bell.ring() }
        beginSalvage()
    }

    /// Copies what is not yet settled; the numbers stay.
    private func move(_ lane: Lane, to file: borrowing Database) throws(SQLiteError) {
        var from = books.needed(lane, withWaiting: false)
        let end = books.next[Int(lane.rawValue)].block
        while true {
            let blocks = try database.blocks(lane, from: from, before: end, bytes: 1 << 20, events: .max)
            guard let last = blocks.last else { break }
            for block in blocks { try file.add(block) }
            from = last.id + 1
        }
        // The newest stays whatever it is: the numbers of the next follow from it.
        if let newest = try database.last(lane), newest.id < from, try file.last(lane)?.id ?? 0 < newest.id {
            let blocks = try database.blocks(lane, from: newest.id, before: end, bytes: 1, events: 1)
            for block in blocks { try file.add(block) }
        }
    }

    // MARK: Looking after

    /// What is done every few seconds while something is wrong.
    func lookAfterDisk() {
        guard !isDiskWell, nextTry <= .now else { return }
        if case .memory = medium {
            returnToDisk()
        } else {
            nextTry = .now + Self.ballastInterval
            restoreBallast()
        }
    }

    func restoreBallast() {
        ballastIsThere = ballast.restore()
    }

    /// A file that was moved or deleted is written to no longer; what is in it is still in our hands.
    func noticeMovedFile() {
        guard case .disk(let identity) = medium, let identity,
            Folder.identity(of: settings.files.database) != identity
        else { return }
        logger.error("the outbox's database was moved or deleted under a running gateway")
        guard var other = try? Database.inMemory(maxSize: 1 << 20) else { return }
        swap(&database, &other)
        orphan = consume other
        expectedEnds = books.next.map(\.sequence)
        leaveDisk("\(settings.files.database) was moved or deleted")
        fileEpoch = nil
        returnToDisk()
    }

    /// A checkpoint where the log has grown, and a note of which log it is.
    func afterCommit() {
        guard case .disk = medium else { return }
        fileFailures = 0
        if database.logPages < lastLogPages || record.log == .any { noteLog() }
        lastLogPages = database.logPages
        guard database.logPages >= settings.logPages else { return }
        do throws(SQLiteError) {
            try database.checkpoint(truncate: false)
        } catch {
            _ = mend(error, attempt: 1)
        }
    }

    private func noteLog() {
        guard let salt = LogFile(path: settings.files.log).salt, record.log != .salt(salt) else { return }
        var noted = record
        noted.log = .salt(salt)
        // Where it cannot be written now it is tried again; one log further on is known for ours too.
        if (try? RunRecordFile(path: settings.files.record).write(&noted)) != nil { record = noted }
    }

    /// Leaves the file with an empty log.
    func leaveCleanly() {
        guard case .disk = medium else { return }
        do {
            var ended = record
            ended.log = .any
            try RunRecordFile(path: settings.files.record).write(&ended)
            try database.checkpoint(truncate: true)
            ended.log = .empty
            try RunRecordFile(path: settings.files.record).write(&ended)
        } catch {
            logger.error("the outbox could not be closed cleanly", metadata: ["error": "\(error)"])
        }
    }

    /// Receipts for what every output has by now.
    func settleHeld() {
        guard !held.isEmpty, !outputs.isEmpty else { return }
        let needed = Lane.allCases.map { books.needed($0, withWaiting: false) }
        while let first = held.first, zip(needed, first.next).allSatisfy({ $0 >= $1 }) {
            first.settle(isSafe: true)
            held.removeFirst()
        }
    }
}
