// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import SQLite
import Waiting

// What happens when the disk does not do what it should.
//
//     anything ─▶ leave the disk: on in memory, under a new epoch
//                   ├─ the file is damaged ─▶ put it aside, save from it what there is
//                   └─ back on new handles, at once and then every few seconds;
//                      where it stays full the ballast is let go, for the lanes to let go of what has to
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
    private static let ballastInterval = Duration.seconds(5)
    /// Failures of one file in a row after which it is put aside.
    private static let mostFailures = 5

    var isDiskWell: Bool {
        if case .disk = medium { ballastIsThere } else { false }
    }

    /// False while what is said to be stored is not, or nothing is stored at all.
    public var isSound: Bool { trouble == nil && troubleWithKeys == nil }

    /// What retention keeps to.
    var room: Retention.Room {
        if case .disk = medium {
            Retention.Room(bytes: settings.maxSize, cause: .maxSize, holdsWaiting: true)
        } else {
            Retention.Room(bytes: memoryRoom, cause: .diskFull, holdsWaiting: false)
        }
    }

    /// Bytes of blocks that may be in memory: SQLite has some of its own beside them.
    private var memoryRoom: Int64 { Int64(settings.maxMemory) / 5 * 2 }

    // MARK: Mending

    /// Does what there is to do about an error: a read that fails tells of the same faults as a write.
    /// - Returns: whether what failed may be tried again at once.
    func mend(_ error: any Error, attempt: Int, wasReading: Bool = false) -> Bool {
        guard let error = error as? SQLiteError, error.kind != .busy else { return false }
        guard case .disk = medium else {
            guard error.kind == .full else { return false }
            return (try? letGo(bytes: memoryRoom / 8, from: database, &books, room)) != nil
        }
        // A read has no room only for a page whose number is damaged and beyond the largest there may be.
        let kind = wasReading && error.kind == .full ? .corrupt : error.kind
        switch kind {
        case .corrupt, .other:
            if kind == .corrupt {
                expectedEnds = books.next.map(\.sequence)
            } else {
                // What was read of it was not so: nobody knows what else was in it.
                books.ledger.addEnded(.unknown(.databaseLost, at: .now))
            }
            leaveDisk("\(error)")
            putFileAside()
        case .io:
            fileFailures += 1
            leaveDisk("\(error)")
        case .full:
            noteFull()
            leaveDisk("\(error)")
        case .denied, .busy: leaveDisk("\(error)")
        }
        if attempt < 3, kind != .full { returnToDisk() }
        return true
    }

    /// Makes room until the database has a size, or nothing more can go.
    private func letGo(
        until size: Int64, from database: borrowing Database, _ books: inout Books, sparing lanes: Set<Lane>
    ) throws(SQLiteError) {
        let room = Retention.Room(bytes: settings.maxSize, cause: .diskFull, holdsWaiting: true)
        var before = Int64.max
        var now = try database.size()
        while now > size, now < before {
            try letGo(bytes: now - size, from: database, &books, room, sparing: lanes)
            // Deleting writes into the log about as much as it gives back: the log begins anew each time.
            try database.checkpoint(truncate: false)
            (before, now) = (now, try database.size())
        }
    }

    /// Makes room in a transaction of its own.
    private func letGo(
        bytes: Int64, from database: borrowing Database, _ books: inout Books, _ room: Retention.Room,
        sparing lanes: Set<Lane> = []
    ) throws(SQLiteError) {
        let before = books
        var losses: [Loss] = []
        do throws(SQLiteError) {
            try database.transaction { () throws(SQLiteError) in
                losses = try retention.letGo(bytes: bytes, from: database, &books, room, sparing: lanes)
                try books.save(announced: [], in: database)
            }
            for loss in losses { measures.lost(loss) }
        } catch {
            books = before
            throw error
        }
    }

    private var ballast: Ballast { Ballast(path: settings.files.ballast, size: settings.ballastSize) }

    // MARK: Leaving

    /// Goes on in memory.
    /// - Returns: the database that is left; nil where not even memory can be had.
    @discardableResult
    private func leaveDisk(_ reason: String) -> Database? {
        guard var left = try? Database.inMemory(maxSize: Int64(settings.maxMemory / 2)),
            (try? books.outputs.forEach { try left.add(output: $0.number, $0.name) }) != nil
        else {
            logger.critical("not even memory takes the outbox")
            return nil
        }
        swap(&database, &left)
        // What only we have of a file that was deleted is kept; what was put aside is found again.
        if let salvage = salvage.take(), salvage.folder == nil { orphan = salvage.surrendered() }
        let since = books.next.map(\.block)
        for output in books.outputs.indices {
            for lane in since.indices { books.outputs[output].positions[lane].leave(at: since[lane]) }
        }
        books.markUnsaved()
        medium = .memory(since: since)
        began(epoch: .random(in: 1...UInt64.max))
        if trouble == nil {
            logger.error(
                "the outbox's disk fails: it goes on in memory, and nothing is acknowledged that only it has",
                metadata: ["error": "\(reason)"])
        }
        trouble = reason
        leftDiskAt = .now
        diskPauses.reset()
        nextTry = .now + diskPauses.next(fraction: 1)
        return left
    }

    /// A file that says there is no room, on a disk that has room, is damaged: it refers to a page beyond all others.
    private func noteFull() {
        if settings.files.room > 2 * settings.ballastSize { fileFailures += 1 }
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
        guard case .memory(let since) = medium else { return }
        nextTry = .now + diskPauses.next(fraction: 1)
        do {
            if fileFailures >= Self.mostFailures {
                fileFailures = 0
                putFileAside()
            }
            let file = try openFileWithBallast()
            try adoptMakingRoom(file, since)
            database = file.database
            hasReturned()
        } catch {
            if (error as? SQLiteError)?.kind == .full { noteFull() }
            logger.debug("the outbox's disk still fails", metadata: ["error": "\(error)"])
        }
    }

    /// Even opening writes a little.
    private func openFileWithBallast() throws -> OpenedFile {
        do {
            return try openFile()
        } catch let error as SQLiteError where error.kind == .full {
            guard try isRoomNeeded, ballast.release() else { throw error }
            ballastIsThere = false
            return try openFile()
        }
    }

    private func openFile() throws -> OpenedFile {
        let names = outputs.map(\.name)
        // Noted first: the file may have it though its opening fails.
        let epoch = UInt64.random(in: 1...UInt64.max)
        let ours = fileEpochs
        fileEpochs.insert(epoch)
        let file = try OpenedFile.open(settings, outputs: names, epoch: epoch, logger: logger)
        guard let found = file.epochFound, !ours.contains(found) else { return file }
        // It was not ours when we began, or is an older copy now: its numbers mean something else.
        close(file)
        _ = try settings.files.putAside()
        return try OpenedFile.open(settings, outputs: names, epoch: epoch, logger: logger)
    }

    private func adoptMakingRoom(_ file: borrowing OpenedFile, _ since: [Int64]) throws(SQLiteError) {
        // What the ballast gave is for deleting: used up for anything else, nothing could be deleted any more.
        if !ballastIsThere { _ = try makeRoom(in: file, since) }
        do throws(SQLiteError) {
            try adopt(file, since)
        } catch {
            guard error.kind == .full, try makeRoom(in: file, since) else { throw error }
            try adopt(file, since)
        }
    }

    private func close(_ file: consuming OpenedFile) {}

    /// A disk that is full may be so for a moment only; for longer, or once memory is half full too, the ballast is let go.
    private static let patience = Duration.seconds(10)

    private var isRoomNeeded: Bool {
        get throws(SQLiteError) {
            if leftDiskAt.duration(to: .now) > Self.patience { return true }
            return try database.size() > memoryRoom / 2
        }
    }

    /// Lets go in the file what has to, so that what is in memory has room there. The ballast is for this: nothing can be
    /// deleted where nothing can be written.
    /// - Returns: false while there is time.
    private func makeRoom(in file: borrowing OpenedFile, _ since: [Int64]) throws(SQLiteError) -> Bool {
        guard try isRoomNeeded else { return false }
        let gathered = try database.size()
        logger.error("the disk stays full: what the lanes let go makes room", metadata: ["bytes": "\(gathered)"])
        _ = ballast.release()
        ballastIsThere = false
        try file.database.checkpoint(truncate: false)
        var evicted = books
        evicted.forgetSalvage()
        // For what has gathered whatever has to; for the ballast and the log nothing that is critical.
        try letGo(until: file.database.size() - gathered, from: file.database, &evicted, sparing: [])
        let more = settings.ballastSize + Int64(settings.logPages) * Database.pageSize
        try letGo(until: file.database.size() - more, from: file.database, &evicted, sparing: [.critical])
        evicted.wait(before: since)
        books = evicted
        return true
    }

    /// Brings what is in memory into the file.
    private func adopt(_ file: borrowing OpenedFile, _ since: [Int64]) throws(SQLiteError) {
        var books = self.books
        let isSalvageWaiting = !settings.files.notSalvaged(settings.keys).isEmpty || orphan != nil
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
        fileEpochs = [file.record.epoch]
        medium = .disk(file.identity)
        began(epoch: file.record.epoch)
    }

    private func hasReturned() {
        for one in held { one.settle(isSafe: true) }
        held.removeAll()
        restoreBallast()
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

    /// Without the ballast everything goes on; but a disk that is that full is trouble to be told.
    func restoreBallast() {
        ballastIsThere = ballast.restore()
        trouble = ballastIsThere ? nil : "the disk is full: there is no room for the ballast"
    }

    /// A file that was moved or deleted is written to no longer; what is in it is still in our hands.
    func noticeMovedFile() {
        guard case .disk(let identity) = medium, let identity,
            Folder.identity(of: settings.files.database) != identity
        else { return }
        logger.error("the outbox's database was moved or deleted under a running gateway")
        expectedEnds = books.next.map(\.sequence)
        orphan = leaveDisk("\(settings.files.database) was moved or deleted")
        fileEpochs.removeAll()
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
            try database.transaction { () throws(SQLiteError) in
                for lane in Lane.allCases { try database.set(end: books.next[Int(lane.rawValue)], of: lane) }
            }
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
