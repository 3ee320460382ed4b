// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import SQLite
import Waiting

// From memory back to the disk, with what has gathered.
//
//     open on new handles ─▶ what is in memory goes into the file, in one transaction ─▶ receipts, the ballast, salvage
//       └─ no room, for long ─▶ the ballast is let go, then what the lanes let go ─┘

extension Outbox {
    /// Back to the disk, with what has gathered in memory.
    func returnToDisk() {
        guard case .memory(let since) = medium else { return }
        nextTry = .now + diskPauses.next(fraction: 1)
        do {
            if fileFailures >= Self.mostFailures {
                fileFailures = 0
                putFileAside()
            }
            // Receipts are settled once it is back: no dead letter may be left behind.
            let dead = try deadLetters.map { ($0, try deadBody($0.letter)) }
            let file = try openFileWithBallast()
            try adoptMakingRoom(file, since, dead)
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
        // The lock went with the folder.
        if settings.files.restore() { lock = try FolderLock(settings.files) }
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

    private func adoptMakingRoom(
        _ file: borrowing OpenedFile, _ since: PerLane<Int64>, _ dead: [PendingLetter]
    ) throws(SQLiteError) {
        // What the ballast gave is for deleting: used up for anything else, nothing could be deleted any more.
        if !ballastIsThere { _ = try makeRoom(in: file, since) }
        do throws(SQLiteError) {
            try adopt(file, since, dead)
        } catch {
            guard error.kind == .full, try makeRoom(in: file, since) else { throw error }
            try adopt(file, since, dead)
        }
    }

    private func close(_ file: consuming OpenedFile) {}

    /// A disk that is full may be so for a moment only; for longer, or once memory is half full too, the ballast is let go.
    private var isRoomNeeded: Bool {
        get throws(SQLiteError) {
            if leftDiskAt.duration(to: .now) > DiskRoom.patience { return true }
            return try database.size() > memoryRoom / 2
        }
    }

    /// Lets go in the file what has to, so that what is in memory has room there. The ballast is for this: nothing can be
    /// deleted where nothing can be written.
    /// - Returns: false while there is time.
    private func makeRoom(in file: borrowing OpenedFile, _ since: PerLane<Int64>) throws(SQLiteError) -> Bool {
        guard try isRoomNeeded else { return false }
        let gathered = try database.size()
        logger.error(
            .diskFull, "The disk has been full for 10 s; deleting the oldest events to free space",
            metadata: ["bytes": "\(gathered)"])
        _ = ballast.release()
        ballastIsThere = false
        // The log begins anew more than once now, which might not be noted to the end.
        var noted = file.record
        noted.log = .any
        try? RunRecordFile(path: settings.files.record).write(&noted)
        try file.database.checkpoint(truncate: false)
        var evicted = books
        evicted.forgetSalvage()
        // For what has gathered whatever has to; for the ballast and the log nothing that is critical.
        try letGo(until: file.database.size() - gathered, from: file.database, &evicted, sparing: [])
        let more = settings.ballastSize + Int64(settings.logPages) * Database.pageSize
        try letGo(until: file.database.size() - more, from: file.database, &evicted, sparing: [.critical])
        evicted.wait(before: since)
        books = evicted
        lookAtDiskRoom(isSettled: true)
        return true
    }

    /// A dead letter that no commit has written, with its body.
    private typealias PendingLetter = (one: (output: Int64, letter: DeadLetter), body: StoredBlock)

    /// Brings what is in memory into the file.
    private func adopt(
        _ file: borrowing OpenedFile, _ since: PerLane<Int64>, _ dead: [PendingLetter]
    ) throws(SQLiteError) {
        var books = self.books
        let isSalvageWaiting = !settings.files.notSalvaged(settings.keys).isEmpty || orphan != nil
        if !isSalvageWaiting { books.forgetSalvage() }
        books.markUnsaved()
        let now = Timestamp.now
        for cause in file.losses { books.ledger.addEnded(.unknown(cause, at: now)) }
        let isNew = file.isNew
        // What cannot be sealed now is so with the next commit.
        let alarms = try? books.alarms.rows(codec)
        let windows = condenser.flatMap { try? books.windows.rows(codec, $0) }
        let noted = ruleBook.pending(with: ruleBook.state)
        let rules = noted.flatMap { try? ruleBook.rows(of: $0, codec) }
        try file.database.transaction { () throws(SQLiteError) in
            if !isNew {
                // A commit that failed may have reached the file all the same. It is in memory too.
                for lane in Lane.allCases { try file.database.delete(lane, from: since[lane]) }
                try file.database.deleteOpenGaps()
            }
            for output in books.outputs { try file.database.add(output: output.number, output.name) }
            try CatalogDefinitions.store(catalog.contents, beyond: &books.stored, in: file.database)
            for lane in Lane.allCases { try move(lane, to: file.database) }
            try database.moveDeadLetters(to: file.database)
            for (one, body) in dead {
                try books.shelf.add(one.letter, output: one.output, body: body, in: file.database)
            }
            try books.save(announced: [], in: file.database)
            if let alarms { try books.alarms.save(alarms, in: file.database) }
            if let windows { try books.windows.save(windows, in: file.database) }
            if let rules { try RuleBook.save(rules, in: file.database) }
        }
        self.books = books
        if let noted, let rules { ruleBook.saved(noted, rules) }
        deadLetters.removeAll()
        condenser?.wasKept()
        record = file.record
        record.log = .any
        fileEpochs = [file.record.epoch]
        medium = .disk(file.identity)
        began(epoch: file.record.epoch)
    }

    private func hasReturned() {
        for one in held { one.settle(isSafe: true) }
        held.removeAll()
        tellLosses()
        restoreBallast()
        lookAtDiskRoom()
        if diskNews.returns(at: .now) { logger.notice("the outbox is on the disk again") }
        for bell in bells { bell.ring() }
        beginSalvage()
    }

    /// Copies what is not yet settled; the numbers stay.
    private func move(_ lane: Lane, to file: borrowing Database) throws(SQLiteError) {
        var from = books.needed(lane, withWaiting: false)
        let end = books.next[lane].block
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

    // MARK: Making room

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
    func letGo(
        bytes: Int64, from database: borrowing Database, _ books: inout Books, _ room: Retention.Room,
        sparing lanes: Set<Lane> = []
    ) throws(SQLiteError) {
        let before = books
        do throws(SQLiteError) {
            try database.transaction { () throws(SQLiteError) in
                try retention.letGo(bytes: bytes, from: database, &books, room, sparing: lanes)
                try books.save(announced: [], in: database)
            }
        } catch {
            books = before
            throw error
        }
    }
}
