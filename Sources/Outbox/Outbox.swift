// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import Metrics
import SQLite
import Synchronization
import Waiting

/// The durable store between collectors and forwarders.
///
///     collectors ─▶ intake ─▶ commit ─▶ blocks, a table a lane ─▶ next ─▶ forwarders
///                               │                                            │
///                          receipts, bells          cursors ◀─ settle ◀──────┘
///
/// Serialises everything that touches the database. What is committed survives a power cut (WAL, `synchronous=FULL`);
/// what is settled is not sent again after the next commit. While the disk takes nothing the outbox goes on in memory,
/// where nothing is acknowledged (`Outbox+Disk`).
public actor Outbox {
    /// A commit as those see it who watch live.
    public struct Committed: Sendable {
        public var epoch: UInt64
        public var lane: Lane
        public var first: UInt64
        public var batch: Batch
    }

    /// Where the database is.
    enum Medium: Equatable {
        case disk(FileIdentity?)
        /// - Parameter since: which block is the first in memory, by lane.
        case memory(since: PerLane<Int64>)
    }

    nonisolated public let intake: Intake
    nonisolated public let catalog: Catalog
    /// The alarms that were under way when it was opened.
    nonisolated public let activeAlarms: [ActiveAlarm]
    nonisolated let ruleBook: RuleBook
    /// Rings for each output, by its place in the list given to `init`, when there may be something for it.
    nonisolated public let bells: [Doorbell]

    nonisolated private let executor = BlockingExecutor(label: "outbox")
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    nonisolated private let currentEpoch: Atomic<UInt64>
    /// Of the events that are committed now.
    nonisolated public var epoch: UInt64 { currentEpoch.load(ordering: .relaxed) }

    nonisolated public let settings: OutboxSettings
    let outputs: [OutboxOutput]
    let codec: BlockCodec
    let logger: Logger
    let measures: OutboxMeasures
    private let warnings: any WarningSink
    var lock: FolderLock
    private let onCommit: @Sendable (Committed) -> Void

    var database: Database
    var books: Books
    var medium: Medium
    var record: RunRecord
    var salvage: Salvage?
    var retention: Retention
    var fresh: FreshBlocks
    var diskRoom: DiskRoom
    private var clock = ClockWatch()
    /// By output: how its windows take turns.
    var turns: [Int]
    /// What makes events of readings over time; nil where nobody asks for it.
    var condenser: (any Condensing)?
    let windowStart = (wall: Timestamp.now, steady: Moment.now)
    /// What it has said since the last commit.
    var condensed = Batch()
    /// Dead letters that the next commit keeps.
    var deadLetters: [(output: Int64, letter: DeadLetter)] = []
    /// Receipts for what is in memory alone; see `Outbox+Disk`.
    var held: [HeldReceipts] = []
    var isClosed = false
    /// What is wrong, while it is.
    var trouble: String?
    var troubleWithKeys: String?
    /// A file that was moved away under us, until what is in it is saved.
    var orphan: Database?
    /// What the sequence numbers of each lane had come to in the database that is put aside, where that is known.
    var expectedEnds = PerLane<UInt64?>(repeating: nil)
    var salvagedBlocks = 0
    /// What the epoch in the file may be that we are on or have left; none where it never was ours.
    var fileEpochs: Set<UInt64> = []
    /// Failures of the file since it last took a commit, and when files were put aside.
    var fileFailures = 0
    var putAsides: [ContinuousClock.Instant] = []
    var lastLogPages = 0
    var ballastIsThere = false
    var leftDiskAt = ContinuousClock.now
    /// When to look next whether the disk takes something again, or whether there is room for the ballast.
    var nextTry = ContinuousClock.now
    var diskNews = DiskNews()
    var diskPauses = Backoff(base: .milliseconds(250), cap: .seconds(5))
    private var housekeepingDue: ContinuousClock.Instant?
    /// Set while commits fail: not before is the next tried.
    private var retryAt: ContinuousClock.Instant?

    // MARK: Opening

    /// Opens the outbox, or makes it. What is wrong with the disk or the file is no reason to fail.
    /// - Parameters:
    ///   - outputs: whose cursors are kept under their names.
    ///   - warnings: where losses are reported.
    ///   - onCommit: is called with each commit, in order; must not wait.
    ///   - condenser: what makes events of readings over time.
    /// - Throws: `OutboxError` of kind `inUse` or `newer`.
    public init(
        _ settings: OutboxSettings, outputs: [OutboxOutput], logger: Logger,
        warnings: any WarningSink = NoWarnings(),
        onCommit: @escaping @Sendable (Committed) -> Void = { _ in },
        condenser: (Catalog) -> (any Condensing)? = { _ in nil }
    ) throws {
        self.settings = settings
        self.outputs = outputs
        self.logger = logger
        self.warnings = warnings
        measures = OutboxMeasures(outputs: outputs.map(\.name))
        self.onCommit = onCommit
        codec = BlockCodec(keys: settings.keys)
        intake = Intake(limits: settings.limits)
        bells = outputs.map { _ in Doorbell() }
        turns = outputs.map { _ in 0 }
        retention = Retention(settings, intake)
        fresh = FreshBlocks(age: settings.freshFor)
        diskRoom = DiskRoom(reserve: 2 * settings.ballastSize)
        lock = try FolderLock(settings.files)
        let start = try Start.open(settings, outputs: outputs.map(\.name), logger: logger)
        books = start.books
        catalog = start.catalog
        medium = start.medium
        record = start.record
        trouble = start.trouble
        currentEpoch = Atomic(start.record.epoch)
        if case .disk = start.medium { fileEpochs = [start.record.epoch] }
        for lane in Lane.allCases { fresh.begin(lane, at: start.books.next[lane].block) }
        logger.info(
            "outbox opened",
            metadata: [
                "file": "\(settings.files.database)", "epoch": "\(String(start.record.epoch, radix: 16, padded: 16))",
                "sqlite": "\(SQLiteLibrary.version)",
            ])
        // The newest that there is was committed by a clock that nobody had set.
        let newest = try? Lane.allCases.compactMap { try start.database.last($0)?.committed }.max()
        if let newest, newest.isUnset, !Timestamp.now.isUnset { books.clockJumped(at: .now) }
        _ = clock.jump(wall: .now, steady: .now)
        if let alarms = try? AlarmBook(reading: start.database, codec) { books.alarms = alarms }
        activeAlarms = books.alarms.all
        ruleBook = RuleBook(reading: start.database, codec, logger)
        if var condenser = condenser(start.catalog) {
            books.windows.restore(&condenser, from: start.database, codec, logger)
            condensed = condenser.resume()
            self.condenser = condenser
        }
        database = start.database
    }

    // MARK: Committing

    /// Commits what comes in, until the task is cancelled; then commits the rest and closes.
    public func run() async {
        tellOfSealed()
        lookAtDiskRoom()
        beginSalvage()
        while !Task.isCancelled {
            if salvage == nil {
                await intake.bell.wait(until: nextDue)
            } else {
                await Task.yield()
            }
            if Task.isCancelled { break }
            lookAfterDisk()
            if isDiskWell, diskRoom.nextLook <= .now { lookAtDiskRoom() }
            if isDiskWell, diskNews.settles(at: .now) { logger.notice("the outbox has been on the disk for a minute") }
            let state = (retryAt ?? .now) <= .now ? ruleState : nil
            // What windows have taken goes with what came with it, also where that failed before; the rules' state with all
            // that was offered before it.
            commit(intake.take(dueAt: books.windows.hasUnsaved || state != nil ? nil : .now), state)
            salvageStep()
        }
        close()
    }

    private var nextDue: ContinuousClock.Instant? {
        let said: ContinuousClock.Instant? = condensed.isEmpty ? nil : .now
        let due = [intake.nextDue, housekeepingDue, books.ledger.nextDue, said].compactMap(\.self).min()
        let deadline = due.map { max($0, retryAt ?? $0) }
        let look = isDiskWell ? (room.bytes < settings.maxSize ? diskRoom.nextLook : nil) : nextTry
        return [deadline, look, nextWindow].compactMap(\.self).min()
    }

    /// Commits everything that has come in, now.
    public func flush() {
        if isClosed { return }
        let state = ruleState
        commit(intake.take(dueAt: nil), state)
    }

    /// Cursors and gaps are written with the next commit; where none comes, this long after.
    private static let housekeepingDelay = Duration.milliseconds(250)
    private static let retryDelay = Duration.seconds(1)
    private static let mostAttempts = 6

    func needsHousekeeping() {
        guard housekeepingDue == nil else { return }
        housekeepingDue = .now + Self.housekeepingDelay
        intake.bell.ring()
    }

    /// Writes what is not yet in the database, so that it can be seen there.
    func saveNow() {
        guard hasUnsaved, !isClosed else { return }
        housekeepingDue = .now
        commit([])
    }

    private var hasUnsaved: Bool { !deadLetters.isEmpty || books.hasUnsaved }

    /// - Parameter ruleState: what the rules knew before the batches were taken.
    private func commit(_ due: [Intake.Work], _ ruleState: RuleBook.State? = nil) {
        // One moment for all of it: what is too old by a clock that jumps from here on is not let go before that is known.
        let now = Timestamp.now
        var (work, ruleState) = (due, ruleState)
        condense(&work)
        let isHousekeepingDue = [housekeepingDue, books.ledger.nextDue].contains { $0.map { $0 <= .now } ?? false }
        let hasMore = isHousekeepingDue || !condensed.isEmpty || ruleState != nil
        guard !work.isEmpty || (hasMore && (retryAt ?? .now) <= .now) else { return }
        let start = ContinuousClock.now
        noticeMovedFile()
        noticeClockJump(at: now)
        for attempt in 1...Self.mostAttempts {
            let before = books
            do {
                let committed = try write(work, ruleState, at: now)
                measures.commits.increment()
                measures.commitDuration.record(duration: start.duration(to: .now))
                succeeded(work, committed)
                return
            } catch {
                books = before
                measures.commitFailures.increment()
                guard attempt < Self.mostAttempts, forgo(&ruleState, error) || mend(error, attempt: attempt) else {
                    failed(work, error)
                    return
                }
            }
        }
    }

    private func noticeClockJump(at now: Timestamp) {
        guard clock.jump(wall: now, steady: .now) > ClockJump.tolerance else { return books.clockIsSetBack(to: now) }
        logger.warning(
            .clockJumped,
            "The clock of the system jumped ahead; stored events keep the age that they had before the jump")
        books.clockJumped(at: now)
    }

    private func succeeded(_ work: [Intake.Work], _ committed: [Committed]) {
        housekeepingDue = nil
        retryAt = nil
        deadLetters.removeAll()
        condensed.removeAll()
        condenser?.wasKept()
        tellLosses()
        if isDiskWell { trouble = nil }
        if hasUnsaved { needsHousekeeping() }
        finish(work, committed)
        afterCommit()
    }

    /// Counts the losses of the last transaction, and reports them.
    func tellLosses() {
        for gap in books.ledger.takeUntold() {
            for output in books.ledger.totals.outputs(of: gap) {
                let count = Int(clamping: gap.count)
                measures.lost(count, output: output, gap.cause)
                warnings.warn(
                    .eventsLost, of: "\(output): \(gap.cause.name)", count: count, gap.cause.explanation,
                    next: gap.cause.remedy)
            }
        }
    }

    private func failed(_ work: [Intake.Work], _ error: any Error) {
        if trouble == nil {
            logger.error(.commitFailed, "A commit failed; the outbox retries it", metadata: ["error": "\(error)"])
        }
        trouble = "\(error)"
        retryAt = .now + Self.retryDelay
        intake.putBack(work, due: .now + Self.retryDelay)
    }

    /// Tells those who wait that their batches are safe, and those who forward that there is something.
    private func finish(_ work: [Intake.Work], _ committed: [Committed]) {
        let receipts = work.flatMap(\.receipts)
        if case .disk = medium {
            for receipt in receipts { receipt.settle(isSafe: true) }
        } else if !receipts.isEmpty {
            hold(receipts, committed)
        }
        for one in committed {
            measures.events.increment(by: one.batch.events.count)
            measures.readings.increment(by: one.batch.measured)
            onCommit(one)
        }
        if !committed.isEmpty { for bell in bells { bell.ring() } }
    }

    /// One transaction: the blocks, and everything that goes with them.
    private func write(_ work: [Intake.Work], _ ruleState: RuleBook.State?, at now: Timestamp) throws -> [Committed] {
        var batches = work.map { (lane: $0.lane, batch: $0.batch) }
        for one in work {
            for shed in [one.shed].compactMap(\.self) + one.lost { books.ledger.add(shed.gap(in: one.lane)) }
        }
        // What is still open when the gateway stops is told then: who knows when it starts again.
        let announced = books.ledger.takeDue(now: isClosed ? nil : .now)
        if !announced.isEmpty { Self.add(announced.map(\.gap), to: &batches, now) }
        if !condensed.isEmpty { Self.add(condensed, .normal, to: &batches) }
        let blocks = try batches.filter { !$0.batch.isEmpty }.flatMap { try makeBlocks($0.batch, $0.lane, now) }
        for one in batches { books.alarms.note(one.batch) }
        let alarms = try books.alarms.rows(codec)
        let windows = try windowRows()
        let pending = pendingRules(with: ruleState)
        let rules = try pending.map { try ruleBook.rows(of: $0, codec) }
        let dead = try deadLetters.map { ($0, try deadBody($0.letter)) }
        try database.transaction { () throws(SQLiteError) in
            try CatalogDefinitions.store(catalog.contents, beyond: &books.stored, in: database)
            for block in blocks { try database.add(block.stored) }
            for (one, body) in dead { try books.shelf.add(one.letter, output: one.output, body: body, in: database) }
            for letter in try books.shelf.trim(in: database) { note(letter) }
            try retention.evict(from: database, &books, now: now, room)
            try books.alarms.save(alarms, in: database)
            if let windows { try books.windows.save(windows, in: database) }
            if let rules { try RuleBook.save(rules, in: database) }
            try books.save(announced: announced, in: database)
        }
        if let pending, let rules { ruleBook.saved(pending, rules) }
        for block in blocks { fresh.add(block.stored) }
        return blocks.map {
            Committed(epoch: $0.stored.epoch, lane: $0.stored.lane, first: $0.stored.first, batch: $0.batch)
        }
    }

    // MARK: Closing

    /// Commits the rest; what that cannot be done for is not acknowledged.
    private func close() {
        isClosed = true
        intake.close()
        housekeepingDue = .now
        retryAt = nil
        let state = ruleState
        commit(intake.take(dueAt: nil), state)
        for one in intake.take(dueAt: nil) {
            for receipt in one.receipts { receipt.settle(isSafe: false) }
        }
        for one in held { one.settle(isSafe: false) }
        held.removeAll()
        leaveCleanly()
    }

    func began(epoch: UInt64) {
        record.epoch = epoch
        currentEpoch.store(epoch, ordering: .relaxed)
    }
}
