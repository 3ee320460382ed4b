// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import Metrics
import SQLite
import Waiting

/// The durable store between collectors and forwarders.
///
///     collectors ─▶ intake ─▶ commit ─▶ blocks, a table a lane ─▶ next ─▶ forwarders
///                               │                                            │
///                          receipts, bells          cursors ◀─ settle ◀──────┘
///
/// Serialises everything that touches the database. What is committed survives a power cut (WAL, `synchronous=FULL`);
/// what is settled is not sent again after the next commit.
public actor Outbox {
    /// A commit as those see it who watch live.
    public struct Committed: Sendable {
        public var lane: Lane
        public var first: UInt64
        public var batch: Batch
    }

    nonisolated public let intake: Intake
    nonisolated public let catalog: Catalog
    nonisolated public let epoch: UInt64
    /// Rings for each output, by its place in the list given to `init`, when there may be something for it.
    nonisolated public let bells: [Doorbell]

    nonisolated private let executor = BlockingExecutor(label: "headgate.outbox")
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private struct Output {
        var number: Int64
        var name: String
        var cursors: [Cursor]
        var unsaved: Set<Lane> = []
        /// How many blocks of bulk are due before the next of normal; see `laneOrder`.
        var turn = 0
    }

    /// What the next block of a lane gets.
    private struct Next {
        var block: Int64
        var sequence: UInt64
    }

    private let settings: OutboxSettings
    private let database: Database
    private let codec = BlockCodec()
    private let logger: Logger
    private let onCommit: @Sendable (Committed) -> Void
    private let measures: OutboxMeasures
    private var outputs: [Output] = []
    private var next: [Next] = []
    private var stored: (devices: Int, series: Int)
    /// Dead letters that the next commit keeps, and those kept.
    private var deadLetters: [(output: Int64, letter: DeadLetter)] = []
    private var shelf: DeadLetterShelf
    private var ledger: LossLedger
    /// What the commit under way evicts: counted once it is done.
    private var lostInCommit: [(output: String, cause: Gap.Cause, count: Int)] = []
    private var isBroken = false
    private var isClosed = false

    // MARK: Opening

    /// Opens the outbox, or makes it.
    /// - Parameters:
    ///   - outputs: the names of the outputs, whose cursors are kept under them.
    ///   - onCommit: is called with each commit, in order; must not wait.
    public init(
        _ settings: OutboxSettings, outputs names: [String], logger: Logger,
        onCommit: @escaping @Sendable (Committed) -> Void = { _ in }
    ) throws {
        self.settings = settings
        self.logger = logger
        self.onCommit = onCommit
        measures = OutboxMeasures()
        intake = Intake(limits: settings.limits)
        bells = names.map { _ in Doorbell() }
        let database = try Database(path: settings.databasePath)
        (epoch, ledger) = try Self.epoch(settings, database)
        shelf = try DeadLetterShelf(in: database, maxSize: settings.maxSize)
        catalog = try CatalogDefinitions.catalog(in: database)
        stored = (catalog.contents.devices.count, catalog.contents.series.count)
        next = try Lane.allCases.map { try Self.next(after: database.last($0)) }
        // An output that the configuration no longer has keeps its place, and what it has not sent, until that is too
        // old: it may have been renamed by mistake.
        for name in names + (try database.outputs().map(\.name).filter { !names.contains($0) }) {
            let number = try database.number(ofOutput: name)
            let cursors = try Lane.allCases.map { try database.cursor(output: number, $0) }
            outputs.append(Output(number: number, name: name, cursors: cursors))
        }
        self.database = database
        logger.info(
            "outbox opened",
            metadata: [
                "file": "\(settings.databasePath)", "epoch": "\(String(epoch, radix: 16, padded: 16))",
                "sqlite": "\(SQLiteLibrary.version)",
            ])
    }

    private static func next(after last: StoredBlock?) -> Next {
        guard let last else { return Next(block: 1, sequence: 1) }
        return Next(block: last.id + 1, sequence: last.end)
    }

    /// The epoch of this run, and what is still to be announced.
    ///
    /// Drawn anew at each start and kept with each block: so ids are never used twice, even where the log of the last
    /// run was lost or an old copy of the database was put back. An epoch file without its database means that the
    /// database was lost, and with it what nobody can count.
    private static func epoch(
        _ settings: OutboxSettings, _ database: borrowing Database
    ) throws -> (UInt64, LossLedger) {
        let file = EpochFile(path: settings.epochPath)
        let isNew = try database.meta("epoch") == nil
        let isLost = isNew && file.read() != nil
        let epoch = UInt64.random(in: 1...UInt64.max)
        let now = Timestamp.now
        try database.transaction { () throws(SQLiteError) in
            if isLost {
                _ = try database.set(
                    Gap(
                        cause: .databaseLost, lane: .normal, first: 0, last: 0, count: 0, since: now, until: now,
                        outputs: []), id: nil)
            }
            try database.setMeta("epoch", Int64(bitPattern: epoch))
        }
        // After the database: one that is made and has no epoch file yet has nothing to lose.
        try file.write(epoch)
        return (epoch, LossLedger(open: try database.openGaps()))
    }

    // MARK: Committing

    /// Commits what comes in, until the task is cancelled; then commits the rest and closes.
    public func run() async {
        while !Task.isCancelled {
            let due = [intake.nextDue, housekeepingDue, ledger.nextDue].compactMap(\.self).min()
            let deadline = due.map { max($0, retryAt ?? $0) }
            await intake.bell.wait(until: deadline)
            if Task.isCancelled { break }
            commit(intake.take(dueAt: .now))
        }
        close()
    }

    /// Commits everything that has come in, now.
    public func flush() {
        if !isClosed { commit(intake.take(dueAt: nil)) }
    }

    /// Cursors and gaps are written with the next commit; where none comes, this long after.
    private static let housekeepingDelay = Duration.milliseconds(250)
    private static let retryDelay = Duration.seconds(1)
    private var housekeepingDue: ContinuousClock.Instant?
    /// Set while commits fail: not before is the next tried.
    private var retryAt: ContinuousClock.Instant?

    private func needsHousekeeping() {
        guard housekeepingDue == nil else { return }
        housekeepingDue = .now + Self.housekeepingDelay
        intake.bell.ring()
    }

    private var hasUnsaved: Bool {
        !deadLetters.isEmpty || outputs.contains { !$0.unsaved.isEmpty } || ledger.hasUnsaved
    }

    private func commit(_ work: [Intake.Work]) {
        let isHousekeepingDue = [housekeepingDue, ledger.nextDue].contains { $0.map { $0 <= .now } ?? false }
        guard !work.isEmpty || (isHousekeepingDue && (retryAt ?? .now) <= .now) else { return }
        let start = ContinuousClock.now
        let before = next
        let storedBefore = stored
        let ledgerBefore = ledger
        let shelfBefore = shelf
        let outputsBefore = outputs
        lostInCommit.removeAll()
        do {
            let committed = try write(work)
            housekeepingDue = nil
            retryAt = nil
            isBroken = false
            for output in outputs.indices { outputs[output].unsaved.removeAll() }
            deadLetters.removeAll()
            for lost in lostInCommit { measures.lost(output: lost.output, cause: lost.cause, count: lost.count) }
            if hasUnsaved { needsHousekeeping() }
            measures.commits.increment()
            measures.commitDuration.record(duration: start.duration(to: .now))
            finish(work, committed)
        } catch {
            next = before
            stored = storedBefore
            ledger = ledgerBefore
            shelf = shelfBefore
            outputs = outputsBefore
            measures.commitFailures.increment()
            if !isBroken { logger.error("commit failed, retrying", metadata: ["error": "\(error)"]) }
            isBroken = true
            retryAt = .now + Self.retryDelay
            intake.putBack(work, due: .now + Self.retryDelay)
        }
    }

    /// Tells those who wait that their batches are safe, and those who forward that there is something.
    private func finish(_ work: [Intake.Work], _ committed: [Committed]) {
        for one in work {
            for receipt in one.receipts { receipt.settle(isSafe: true) }
        }
        for one in committed {
            measures.events.increment(by: one.batch.events.count)
            measures.readings.increment(by: one.batch.readings.count)
            onCommit(one)
        }
        if !committed.isEmpty { for bell in bells { bell.ring() } }
    }

    /// One transaction: the blocks, and everything that goes with them.
    private func write(_ work: [Intake.Work]) throws -> [Committed] {
        let now = Timestamp.now
        var batches = work.map { (lane: $0.lane, batch: $0.batch) }
        for one in work {
            if let shed = one.shed {
                ledger.add(
                    Gap(
                        cause: .overload, lane: one.lane, first: 0, last: 0, count: shed.count, since: shed.since,
                        until: shed.until, outputs: []))
            }
        }
        // What is still open when the gateway stops is told then: who knows when it starts again.
        let announced = ledger.takeDue(now: isClosed ? nil : .now)
        if !announced.isEmpty { Self.add(announced.map(\.gap), to: &batches, now) }
        let blocks = try batches.filter { !$0.batch.isEmpty }.flatMap { try makeBlocks($0.batch, $0.lane, now) }
        let dead = try deadLetters.map { ($0, try deadBody($0.letter, now)) }
        try database.transaction { () throws(SQLiteError) in
            try CatalogDefinitions.store(catalog.contents, beyond: &stored, in: database)
            for block in blocks { try database.add(block.stored) }
            for (one, body) in dead { try shelf.add(one.letter, output: one.output, body: body, in: database) }
            for letter in try shelf.trim(in: database) { note(letter) }
            try saveCursors()
            try evict(now: now)
            try ledger.save(announced: announced, in: database)
        }
        return blocks.map { Committed(lane: $0.stored.lane, first: $0.stored.first, batch: $0.batch) }
    }

    /// Gap events are alarms of a kind: they go in the critical lane, whichever lane they tell of.
    private static func add(_ gaps: [Gap], to batches: inout [(lane: Lane, batch: Batch)], _ now: Timestamp) {
        var batch = Batch()
        for gap in gaps { batch.append(gap, time: now) }
        if let index = batches.firstIndex(where: { $0.lane == .critical }) {
            batches[index].batch.append(batch)
        } else {
            batches.insert((.critical, batch), at: 0)
        }
    }

    /// More than one block only for what gathered while commits failed, or for long texts: a block is read back whole.
    private static let eventsInBlock = 16_384
    private static let textBytesInBlock = 4 << 20

    private static func parts(of batch: Batch) -> [Batch] {
        guard batch.events.count > eventsInBlock || batch.textBytes > textBytesInBlock else { return [batch] }
        var parts = [Batch()]
        for event in batch.events {
            let last = parts[parts.count - 1]
            if last.events.count >= eventsInBlock || last.textBytes > textBytesInBlock { parts.append(Batch()) }
            parts[parts.count - 1].append(event, of: batch)
        }
        return parts
    }

    private func makeBlocks(
        _ batch: Batch, _ lane: Lane, _ now: Timestamp
    ) throws -> [(stored: StoredBlock, batch: Batch)] {
        return try Self.parts(of: batch).map { part in
            let at = Int(lane.rawValue)
            let block = try codec.encode(
                part, lane: lane, id: next[at].block, epoch: epoch, first: next[at].sequence, committed: now)
            next[at].block += 1
            next[at].sequence += UInt64(part.events.count)
            return (block, part)
        }
    }

    private func deadBody(_ letter: DeadLetter, _ now: Timestamp) throws -> StoredBlock {
        try codec.encode(
            letter.event, lane: letter.lane, id: 0, epoch: letter.epoch, first: letter.sequence, committed: now)
    }

    /// A dead letter that is kept no longer is lost like any other event.
    private func note(_ letter: DeadLetterShelf.Discarded) {
        guard let name = outputs.first(where: { $0.number == letter.output })?.name else { return }
        lostInCommit.append((name, .deadLetters, 1))
        ledger.add(
            Gap(
                cause: .deadLetters, lane: letter.lane, first: letter.sequence, last: letter.sequence, count: 1,
                since: letter.at, until: letter.at, outputs: [name]))
    }

    private func saveCursors() throws(SQLiteError) {
        for output in outputs {
            for lane in output.unsaved {
                try database.set(output.cursors[Int(lane.rawValue)], output: output.number, lane)
            }
        }
    }

    /// Commits the rest; what that cannot be done for is not acknowledged.
    private func close() {
        isClosed = true
        housekeepingDue = .now
        retryAt = nil
        commit(intake.take(dueAt: nil))
        for one in intake.take(dueAt: nil) {
            for receipt in one.receipts { receipt.settle(isSafe: false) }
        }
        try? database.checkpoint()
    }

    // MARK: Retention

    private static let evictedAtOnce = 64

    /// Deletes what every output has settled, then what is too old or too much; the loss of the latter is noted.
    private func evict(now: Timestamp) throws(SQLiteError) {
        for lane in Lane.allCases {
            // The newest block stays: the numbers of the next follow from it.
            let settled = outputs.map { $0.cursors[Int(lane.rawValue)].block }.min() ?? next[Int(lane.rawValue)].block
            let last = min(settled, next[Int(lane.rawValue)].block - 1) - 1
            if last > 0 { try database.delete(lane, through: last, most: Self.evictedAtOnce) }
            let old = try database.lastCommitted(
                lane, before: now.advanced(byMicroseconds: -settings.maxAge), most: Self.evictedAtOnce)
            if let old { try lose(through: old, .maxAge) }
        }
        var excess = try database.size() - shelf.bytes - settings.maxSize
        for lane in Lane.allCases.reversed() where excess > 0 {
            guard let last = try database.lastToEvict(lane, bytes: excess, most: Self.evictedAtOnce) else { continue }
            try lose(through: last, .maxSize)
            excess = 0
        }
    }

    /// Deletes blocks that some output has not sent, and notes what each of them loses.
    private func lose(through last: StoredBlock, _ cause: Gap.Cause) throws(SQLiteError) {
        let lane = Int(last.lane.rawValue)
        let end = max(last.end, 1) - 1
        for index in outputs.indices where outputs[index].cursors[lane].block <= last.id {
            let cursor = outputs[index].cursors[lane]
            guard let head = try database.head(last.lane, from: cursor.block), head.id <= last.id else { continue }
            let first = head.first + (head.id == cursor.block ? UInt64(cursor.done) : 0)
            outputs[index].cursors[lane] = Cursor(block: last.id + 1, done: 0)
            try database.set(outputs[index].cursors[lane], output: outputs[index].number, last.lane)
            guard first <= end else { continue }
            lostInCommit.append((outputs[index].name, cause, Int(clamping: end - first + 1)))
            ledger.add(
                Gap(
                    cause: cause, lane: last.lane, first: first, last: end, count: end - first + 1, since: head.since,
                    until: last.until, outputs: [outputs[index].name]))
        }
        try database.delete(last.lane, through: last.id, most: Self.evictedAtOnce)
    }

    // MARK: Forwarding

    /// The blocks an output has to send next, all of one lane, with how many events of the first are settled already.
    /// Empty where nothing waits.
    public func next(
        for output: Int, bytes: Int, events: Int
    ) throws -> (blocks: [StoredBlock], done: Int) {
        guard !isClosed else { return ([], 0) }
        for lane in laneOrder(of: output) {
            let cursor = outputs[output].cursors[Int(lane.rawValue)]
            guard cursor.block < next[Int(lane.rawValue)].block else { continue }
            let blocks = try database.blocks(lane, from: cursor.block, bytes: bytes, events: events)
            guard let first = blocks.first else { continue }
            let done = first.id == cursor.block ? cursor.done : 0
            if done < first.events { return (blocks, done) }
            // Only a damaged row says so: its block is told as such.
            return (blocks, 0)
        }
        return ([], 0)
    }

    /// Critical first, always; bulk before normal once in four turns, so that it never starves.
    private func laneOrder(of output: Int) -> [Lane] {
        outputs[output].turn = (outputs[output].turn + 1) % 4
        return outputs[output].turn == 0 ? [.critical, .bulk, .normal] : [.critical, .normal, .bulk]
    }

    /// Moves an output's cursor: of `block`, the first `done` events are settled, and all before it.
    /// Kept from the next commit on.
    public func settle(_ output: Int, _ block: StoredBlock, done: Int, dead: [DeadLetter] = []) {
        let lane = Int(block.lane.rawValue)
        let cursor = done >= block.events ? Cursor(block: block.id + 1, done: 0) : Cursor(block: block.id, done: done)
        guard cursor.block > outputs[output].cursors[lane].block || cursor.block == outputs[output].cursors[lane].block
        else { return }  // evicted meanwhile
        outputs[output].cursors[lane] = cursor
        outputs[output].unsaved.insert(block.lane)
        deadLetters += dead.map { (outputs[output].number, $0) }
        needsHousekeeping()
    }

    /// Goes past a block that no longer is what was written, and notes the loss.
    public func skip(_ output: Int, _ block: StoredBlock) {
        logger.error("block damaged, skipped", metadata: ["lane": "\(block.lane.name)", "block": "\(block.id)"])
        // The columns may be what is damaged: what the neighbours say is what is missing.
        let after =
            (try? database.head(block.lane, from: block.id + 1))?.first ?? next[Int(block.lane.rawValue)].sequence
        let count = after > block.first ? min(after - block.first, UInt64(Self.eventsInBlock)) : 0
        measures.lost(output: outputs[output].name, cause: .corruptBlock, count: Int(count))
        ledger.add(
            Gap(
                cause: .corruptBlock, lane: block.lane, first: block.first, last: block.first + max(count, 1) - 1,
                count: count, since: block.since, until: block.until, outputs: [outputs[output].name]))
        outputs[output].cursors[Int(block.lane.rawValue)] = Cursor(block: block.id + 1, done: 0)
        outputs[output].unsaved.insert(block.lane)
        needsHousekeeping()
    }

    // MARK: Status

    public func status() throws -> OutboxStatus {
        var status = try database.status(
            shelf, epoch: epoch, maxBytes: settings.maxSize, nextSequences: next.map(\.sequence),
            outputs: outputs.map { ($0.number, $0.name, $0.cursors) })
        // Letters that the next commit will keep.
        for (output, letter) in deadLetters {
            guard let name = outputs.first(where: { $0.number == output })?.name,
                let index = status.backlogs.firstIndex(where: { $0.output == name && $0.lane == letter.lane })
            else { continue }
            status.backlogs[index].deadLetters += 1
        }
        return status
    }

    /// False while commits fail.
    public var isSound: Bool { !isBroken }
}
