// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
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
    var next: PerLane<Int64>
    /// The sequence numbers of its events, by lane.
    var events: PerLane<Range<UInt64>>
    /// Whether an output has rejected one of its events: the dead letter is then the only copy of it.
    var hasDeadLetter = false

    func settle(isSafe: Bool) {
        for receipt in receipts { receipt.settle(isSafe: isSafe) }
    }
}

extension Outbox {
    private static let ballastInterval = Duration.seconds(5)
    /// Failures of one file in a row after which it is put aside.
    static let mostFailures = 5

    var isDiskWell: Bool {
        if case .disk = medium { ballastIsThere } else { false }
    }

    /// False while what is said to be stored is not, or nothing is stored at all.
    public var isSound: Bool { currentTrouble == nil }

    /// What is wrong with the disk, the file or the keys; nil where nothing is.
    public var currentTrouble: String? { trouble ?? troubleWithKeys }

    /// What retention keeps to.
    var room: Retention.Room {
        guard case .disk = medium else {
            return Retention.Room(bytes: memoryRoom, cause: .diskFull, holdsWaiting: false)
        }
        // Dead letters have their room beside max_size, but not beside the disk.
        let onDisk = max(diskRoom.limit - books.shelf.bytes, diskRoom.limit / 2)
        return Retention.Room(
            bytes: min(settings.maxSize, onDisk), cause: onDisk < settings.maxSize ? .diskFull : .maxSize,
            holdsWaiting: true)
    }

    /// Bytes of blocks that may be in memory: SQLite has some of its own beside them.
    var memoryRoom: Int64 { Int64(settings.maxMemory) / 5 * 2 }

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
                expectedEnds = books.next.map { $0.sequence }
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

    var ballast: Ballast { Ballast(path: settings.files.ballast, size: settings.ballastSize) }

    // MARK: Leaving

    /// Goes on in memory.
    /// - Returns: the database that is left; nil where not even memory can be had.
    @discardableResult
    private func leaveDisk(_ reason: String) -> Database? {
        guard var left = try? Database.inMemory(maxSize: Int64(settings.maxMemory / 2)),
            (try? books.outputs.forEach { try left.add(output: $0.number, $0.name) }) != nil
        else {
            logger.critical(.memoryFailed, "The outbox cannot write to memory either")
            return nil
        }
        swap(&database, &left)
        // What only we have of a file that was deleted is kept; what was put aside is found again.
        if let salvage = salvage.take(), salvage.folder == nil { orphan = salvage.surrendered() }
        let since = books.next.map(\.block)
        for output in books.outputs.indices {
            for lane in Lane.allCases { books.outputs[output].positions[lane].leave(at: since[lane]) }
        }
        books.markUnsaved()
        medium = .memory(since: since)
        began(epoch: .random(in: 1...UInt64.max))
        if trouble == nil { logLeaving(reason) }
        trouble = reason
        leftDiskAt = .now
        diskPauses.reset()
        nextTry = .now + diskPauses.next(fraction: 1)
        return left
    }

    private func logLeaving(_ reason: String) {
        switch diskNews.leaves(at: .now) {
        case .once:
            logger.error(
                .diskFailed,
                "The disk of the outbox fails; the outbox continues in memory and acknowledges nothing that is only there",
                metadata: ["error": "\(reason)"])
        case .again:
            logger.error(
                .diskFailsRepeatedly,
                "The disk of the outbox fails repeatedly; further failures are not logged until it has worked for 60 s",
                metadata: ["error": "\(reason)"])
        case .known: break
        }
    }

    /// A file that says there is no room, on a disk that has room, is damaged: it refers to a page beyond all others.
    func noteFull() {
        if let room = settings.files.room, room > 2 * settings.ballastSize { fileFailures += 1 }
    }

    func putFileAside() {
        // A file that is damaged again and again is not the file's fault.
        putAsides.removeAll { $0.duration(to: .now) > .seconds(60) }
        guard putAsides.count < 3 else { return }
        putAsides.append(.now)
        do {
            let aside = try settings.files.putAside()
            logger.error(
                .databaseQuarantined, "The database of the outbox is moved to the quarantine",
                metadata: ["folder": "\(aside)"])
        } catch {
            logger.error(
                .databaseNotMovable, "The database of the outbox cannot be moved to the quarantine",
                metadata: ["error": "\(error)"])
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
        trouble = ballastIsThere ? nil : "the disk is full: there is no space for the reserve file"
    }

    /// A file that was moved or deleted is written to no longer; what is in it is still in our hands.
    func noticeMovedFile() {
        guard case .disk(let identity) = medium, let identity,
            Folder.identity(of: settings.files.database) != identity
        else { return }
        logger.error(.databaseMissing, "The database of the outbox was moved or deleted while the gateway was running")
        expectedEnds = books.next.map { $0.sequence }
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
            lookAtDiskRoom()
        } catch {
            _ = mend(error, attempt: 1)
        }
    }

    /// Looks how much of the disk is ours. The ballast always is, also while it is not there.
    /// - Parameter isSettled: whether that is to count at once, where it is less.
    func lookAtDiskRoom(isSettled: Bool = false) {
        guard let free = settings.files.room else { return }
        let paths = [settings.files.database, settings.files.log, settings.files.ballast]
        let files = paths.compactMap(Folder.size(of:)).reduce(0, +)
        let share = files + min(free, 1 << 60) - settings.ballastSize
        let before = room.bytes
        if isSettled { diskRoom.set(share) } else { diskRoom.look(share: share, now: .now) }
        // Lanes that are closed are opened by a commit.
        if room.bytes > before { needsHousekeeping() }
        guard (room.bytes < settings.maxSize) != (before < settings.maxSize) else { return }
        logger.warning(
            .diskSmallerThanMaxSize,
            room.bytes < settings.maxSize
                ? "The disk has less free space than max_size; the outbox uses only that space"
                : "The disk has space for max_size again",
            metadata: ["bytes": "\(room.bytes)", "max_size": "\(settings.maxSize)"])
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
                for lane in Lane.allCases { try database.set(end: books.next[lane], of: lane) }
            }
            try database.checkpoint(truncate: true)
            ended.log = .empty
            try RunRecordFile(path: settings.files.record).write(&ended)
        } catch {
            logger.error(.outboxNotClosed, "The outbox could not be closed cleanly", metadata: ["error": "\(error)"])
        }
    }

    /// Keeps a batch's receipts until the batch is on the disk, or until every output has it.
    func hold(_ receipts: [Receipt], _ committed: [Committed]) {
        // What windows have taken is on no disk, whoever has the rest.
        let isTaken = condenser?.nextDue != nil
        let next = books.next.map { isTaken ? Int64.max : $0.block }
        var events = PerLane<Range<UInt64>>(repeating: 0..<0)
        for one in committed {
            let lane = one.lane
            let first = events[lane].isEmpty ? one.first : events[lane].lowerBound
            events[lane] = first..<(one.first + UInt64(one.batch.events.count))
        }
        held.append(HeldReceipts(receipts: receipts, next: next, events: events))
    }

    /// Settles the receipts of batches that every output has. A batch with a dead letter waits until that is on the disk.
    func settleHeld(dead: [DeadLetter]) {
        guard !held.isEmpty, !outputs.isEmpty else { return }
        for letter in dead {
            let lane = letter.lane
            for place in held.indices where held[place].events[lane].contains(letter.sequence) {
                held[place].hasDeadLetter = true
            }
        }
        let needed = PerLane.each { books.needed($0, withWaiting: false) }
        held.removeAll { one in
            guard !one.hasDeadLetter, Lane.allCases.allSatisfy({ needed[$0] >= one.next[$0] }) else { return false }
            one.settle(isSafe: true)
            return true
        }
    }
}
