// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import SQLite
import Waiting

extension Outbox {
    private static let bytesAtOnce = 256 << 10

    /// Begins with the oldest of what was put aside, where there is any.
    func beginSalvage() {
        guard case .disk = medium, salvage == nil else { return }
        var source = orphan.take()
        var folder: String?
        if source == nil {
            folder = settings.files.notSalvaged(settings.keys).first
            guard let folder else { return }
            source = Salvage.source(in: folder)
        }
        let first = PerLane.each { lane in
            books.outputs.flatMap { $0.positions[lane].backlog }.filter { !$0.isReady }.map(\.until).max()
                ?? books.next[lane].block
        }
        guard let source = source.take(),
            let begun = try? Salvage(
                source, folder: folder, before: first, catalog: catalog, keys: settings.keys)
        else {
            logger.error(.recoveryFoundNothing, "Nothing in the database in the quarantine can be read")
            books.ledger.addEnded(.unknown(.databaseLost, at: .now))
            salvaged(folder)
            return
        }
        books.takeOver(begun.clockJump)
        salvage = consume begun
        takeOverPositions(first)
        logger.notice("the outbox recovers the events of the database in the quarantine")
    }

    /// What the old database says of how far each output was, where nobody knows better.
    private func takeOverPositions(_ first: PerLane<Int64>) {
        for gap in salvage?.openGaps ?? [] { books.ledger.addEnded(gap) }
        for name in salvage?.outputs ?? [] where !books.outputs.contains(where: { $0.name == name }) {
            let number = (books.outputs.map(\.number).max() ?? 0) + 1
            let positions = first.map { first in
                var position = Position()
                position.live = Cursor(block: first, done: 0)
                position.backlog = [.everything(before: first)]
                (position.isLiveUnsaved, position.isBacklogUnsaved) = (true, true)
                return position
            }
            books.outputs.append(Books.Output(number: number, name: name, positions: positions))
            try? database.add(output: number, name)
        }
        for lane in Lane.allCases {
            for output in books.outputs.indices {
                let known = salvage?.backlog(of: books.outputs[output].name, lane, until: first[lane])
                books.outputs[output].positions[lane].takeOver(known, until: first[lane])
            }
            let from = books.needed(lane, withWaiting: true)
            salvage?.begin(lane, at: from, end: expectedEnds[lane])
        }
        expectedEnds = PerLane(repeating: nil)
        needsHousekeeping()
    }

    /// What is acknowledged and cannot be sent for want of a key is trouble until the key is there.
    func tellOfSealed() {
        let sealed = settings.files.sealed(settings.keys)
        troubleWithKeys = sealed.first.map {
            "\($0.folder) is encrypted with the key \($0.keys.joined(separator: ", ")): put it back into the key file of"
                + " outbox.encryption and start again"
        }
        if let troubleWithKeys {
            logger.error(
                .keyMissing, "Stored events cannot be sent, because a key is missing",
                metadata: ["reason": "\(troubleWithKeys)"])
        }
    }

    var isSalvaging: Bool { salvage != nil }

    /// Saves everything there is to save.
    /// - Returns: how many blocks that was.
    public func salvageAll() -> Int {
        beginSalvage()
        var count = 0
        while salvage != nil {
            salvageStep()
            count = max(count, salvagedBlocks)
        }
        return count
    }

    /// Saves a little, so that nobody waits for it for long.
    func salvageStep() {
        guard case .disk = medium, salvage != nil else { return }
        guard let portion = salvage?.next(bytes: Self.bytesAtOnce) else { return finishSalvage() }
        do throws(SQLiteError) {
            var losses = portion.losses
            try database.transaction { () throws(SQLiteError) in
                for key in Set(portion.blocks.map(\.keyID)) { try database.note(key: key) }
                for block in portion.blocks where try !database.addAgain(block) {
                    losses.append(.whole(block, cause: .corruptBlock))
                }
            }
            for gap in losses { note(gap) }
            salvagedBlocks += portion.blocks.count
        } catch {
            _ = mend(error, attempt: 1)
        }
        afterCommit()
    }

    private func note(_ gap: Gap) {
        var gap = gap
        gap.outputs = books.outputs.filter { output in
            output.positions[gap.lane].backlog.contains { !$0.isReady }
        }.map(\.name)
        books.ledger.add(gap)
        needsHousekeeping()
    }

    private func finishSalvage() {
        do throws(SQLiteError) {
            try saveDeadLetters()
        } catch {
            // It begins again where the disk has been left; else it is tried again.
            _ = mend(error, attempt: 1)
            return
        }
        let (folder, missingKeys) = (salvage?.folder, salvage?.missingKeys ?? [])
        salvage = nil
        logger.notice(
            "the recovery of the database in the quarantine has finished", metadata: ["blocks": "\(salvagedBlocks)"])
        salvagedBlocks = 0
        salvaged(folder, missingKeys: missingKeys)
    }

    private func saveDeadLetters() throws(SQLiteError) {
        let letters = salvage?.deadLetters() ?? []
        var shelf = books.shelf
        try database.transaction { () throws(SQLiteError) in
            for key in Set(letters.map(\.body.keyID)) { try database.note(key: key) }
            for (name, letter, body) in letters {
                guard let number = books.outputs.first(where: { $0.name == name })?.number else { continue }
                try shelf.add(letter, output: number, body: body, in: database)
            }
        }
        books.shelf = shelf
    }

    private func salvaged(_ folder: String?, missingKeys: Set<Int64> = []) {
        if let folder {
            do throws(OutboxError) {
                if missingKeys.isEmpty {
                    try settings.files.markSalvaged(folder)
                } else {
                    try settings.files.markSealed(folder, missingKeys)
                    tellOfSealed()
                }
            } catch {
                logger.error(
                    .recoveryNotRecorded, "The end of the recovery cannot be recorded", metadata: ["error": "\(error)"])
                return
            }
        }
        if settings.files.notSalvaged(settings.keys).isEmpty {
            books.forgetSalvage()
            needsHousekeeping()
            for bell in bells { bell.ring() }
        } else {
            beginSalvage()
        }
    }
}
