// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Logging
import SQLite

/// Saves what there is in a database that was put aside, block by block, under the names the events had.
///
/// A block is looked up by its number, so that a page that cannot be read costs the blocks on it and no others. What
/// the checksums do not vouch for is left behind.
struct Salvage: ~Copyable {
    /// What one step has saved and missed.
    struct Portion {
        var blocks: [StoredBlock] = []
        var losses: [Gap] = []
    }

    private struct Progress {
        var lane: Lane
        /// The next block to look for, and where the numbers end.
        var id: Int64 = 0
        var last: Int64
        /// The first block that anybody needs; 0 where nobody knows.
        var from: Int64 = 0
        /// The sequence number the next block should begin with; nil where nobody knows.
        var expected: UInt64?
        /// After the last event there was; nil where nobody knows.
        var end: UInt64?
        /// The number that the first block of all had.
        var begun: Int64
        /// Where the numbers ended when it was last left in order; 0 where nobody knows.
        var left: Int64
        /// Whether what would tell of a block that is missing at one of its ends is damaged too.
        var isUncertain: Bool
        /// What is added to a block's number, so that it has its place before what is new.
        var shift: Int64
        /// When the last block that was read was committed.
        var seen: Timestamp?
        /// The number that the block after it has.
        var next: Int64?
        /// Numbers in a row that could not be read.
        var failures = 0
        /// Whether there was something since the last block that could be read.
        var hasMissed = false

        /// Where the last number is not known, the end is looked for in longer and longer steps.
        mutating func skipUnreadable() {
            failures += 1
            hasMissed = true
            let step =
                end != nil || failures < Salvage.triesInStep ? 1 : Int64(1) << min(failures - Salvage.triesInStep, 40)
            id = id.addingReportingOverflow(step).overflow ? .max : id + step
        }
    }

    /// The folder it lies in; nil for a file that nobody finds any more but us.
    let folder: String?
    private let source: Database
    private var lanes: PerLane<Progress>
    private var devices: [DeviceNumber] = []
    private var series: [SeriesNumber] = []
    /// Whether every number means in the catalog what it meant there.
    private var isSame = true
    private let codec: BlockCodec
    private let keys: KeyRing
    /// Keys that are missing for some of what is there.
    private(set) var missingKeys: Set<Int64> = []

    /// - Parameters:
    ///   - first: the number of the first block that is new, by lane.
    ///   - catalog: gets what is described there.
    init(
        _ source: consuming Database, folder: String?, before first: PerLane<Int64>, catalog: Catalog, keys: KeyRing
    ) throws(SQLiteError) {
        self.folder = folder
        self.keys = keys
        codec = BlockCodec(keys: keys)
        lanes = PerLane.each { lane in
            let last = try? source.last(lane)
            var left: Books.Next?
            var isUncertain = Self.isAnyPositionLost(lane, in: source)
            do throws(SQLiteError) { left = try source.end(lane) } catch { isUncertain = true }
            let begun = Books.beginning(at: (try? source.meta("first")) ?? 0)
            let until = first[lane]
            let lastID = last.map { max($0.id, (left?.block ?? 0) - 1) } ?? until - 1
            return Progress(
                lane: lane, last: lastID, expected: nil, end: last.map { max($0.end, left?.sequence ?? 0) },
                begun: begun.block, left: left?.block ?? 0, isUncertain: isUncertain,
                shift: lastID < until ? 0 : until - 1 - lastID)
        }
        self.source = source
        readDefinitions(catalog)
    }

    /// Every output has a position in every lane from its first commit on.
    private static func isAnyPositionLost(_ lane: Lane, in source: borrowing Database) -> Bool {
        do throws(SQLiteError) {
            for output in try source.outputs() where try source.cursor(output: output.number, lane) == .start {
                return true
            }
            return false
        } catch {
            return true
        }
    }

    private mutating func readDefinitions(_ catalog: Catalog) {
        let old = CatalogDefinitions.legibleCatalog(in: source).contents
        for device in old.devices {
            devices.append(device.id.isEmpty ? DeviceNumber(raw: .max) : catalog.number(of: device))
        }
        for one in old.series {
            var one = one
            let device =
                devices.indices.contains(one.device.index) ? devices[one.device.index] : DeviceNumber(raw: .max)
            if one.point.isEmpty || device.raw == .max {
                series.append(SeriesNumber(raw: .max))
            } else {
                one.device = device
                series.append(catalog.number(of: one))
            }
        }
        isSame =
            devices.enumerated().allSatisfy { $0.offset == $0.element.index }
            && series.enumerated().allSatisfy { $0.offset == $0.element.index }
    }

    /// The database, for another time.
    consuming func surrendered() -> Database { source }

    // MARK: Positions

    /// What an output had still to send there, as ranges of the backlog that wait; nil if the database does not contain it.
    func backlog(of name: String, _ lane: Lane, until: Int64) -> [BacklogRange]? {
        guard let number = try? source.outputs().first(where: { $0.name == name })?.number,
            var position = try? Books.positions(number, in: source)[lane]
        else { return nil }
        let shift = lanes[lane].shift
        position.leave(at: until - shift)
        return position.backlog.map { range in
            BacklogRange(
                // Never that of one that is not known, even where all is to be sent.
                cursor: Cursor(block: max(Cursor.beginning, range.cursor.block + shift), done: range.cursor.done),
                until: min(until, range.until + shift), isReady: false, topic: range.topic, events: range.events)
        }.filter { $0.cursor.block < $0.until }
    }

    /// The outputs it knows, configured or not.
    var outputs: [String] { (try? source.outputs().map(\.name)) ?? [] }

    /// Losses that it had noted and not announced.
    var clockJump: ClockJump? { (try? source.clockJump()) ?? nil }

    var openGaps: [Gap] { (try? source.openGaps().map(\.gap)) ?? [] }

    /// Blocks before `id` are needed by nobody.
    mutating func begin(_ lane: Lane, at id: Int64, end: UInt64?) {
        lanes[lane].id = max(lanes[lane].id, id - lanes[lane].shift)
        lanes[lane].from = lanes[lane].id
        if let end { lanes[lane].end = max(end, lanes[lane].end ?? 0) }
    }

    // MARK: Blocks

    /// Looked for in one step: many numbers in a row may be unreadable, and others wait.
    static let triesInStep = 2_000

    /// - Returns: nil at the end.
    mutating func next(bytes: Int) -> Portion? {
        var portion = Portion()
        var size = 0
        var tries = 0
        for lane in Lane.allCases {
            while lanes[lane].id <= lanes[lane].last {
                guard size < bytes, tries < Self.triesInStep else { return portion }
                tries += 1
                guard let block = read(lane) else { continue }
                size += block.body.count
                take(block, lane, &portion)
            }
            finish(lane, &portion)
        }
        return portion.blocks.isEmpty && portion.losses.isEmpty ? nil : portion
    }

    private mutating func read(_ lane: Lane) -> StoredBlock? {
        let progress = lanes[lane]
        do throws(SQLiteError) {
            let found = try source.blocks(
                progress.lane, from: progress.id, before: .max, bytes: 1, events: 1
            ).first
            guard let found, found.id >= progress.id else {
                lanes[lane].id = progress.last + 1
                return nil
            }
            lanes[lane].id = found.id + 1
            lanes[lane].failures = 0
            return found
        } catch {
            lanes[lane].skipUnreadable()
            return nil
        }
    }

    private mutating func take(_ block: StoredBlock, _ lane: Lane, _ portion: inout Portion) {
        let isSealed = block.isWhole && !keys.has(block.keyID)
        guard block.isWhole, let block = isSealed ? block : translated(block) else {
            lanes[lane].hasMissed = true
            return
        }
        let progress = lanes[lane]
        if progress.expected == nil, progress.from > Cursor.beginning, progress.from < block.id,
            Books.isSameTurn(progress.from, block.id)
        {
            lanes[lane].hasMissed = true
        }
        noteMissed(lane, before: block.first, block.since, block.id, &portion)
        lanes[lane].next = block.id + 1
        lanes[lane].expected = max(block.end, lanes[lane].expected ?? 0)
        lanes[lane].seen = block.committed
        guard !isSealed else {
            missingKeys.insert(block.keyID)
            return
        }
        portion.blocks.append(lanes[lane].shift == 0 ? block : block.renumbered(block.id + lanes[lane].shift))
    }

    private mutating func finish(_ lane: Lane, _ portion: inout Portion) {
        if lanes[lane].expected == nil, max(lanes[lane].from, lanes[lane].begun) < lanes[lane].left {
            lanes[lane].hasMissed = true
        }
        lanes[lane].left = 0
        if lanes[lane].isUncertain {
            lanes[lane].isUncertain = false
            portion.losses.append(.unknown(.corruptBlock, in: lanes[lane].lane, at: .now))
        }
        noteMissed(lane, before: lanes[lane].end, .now, lanes[lane].last + 1, &portion)
        lanes[lane].expected = lanes[lane].end
    }

    /// What lies between what was read last and `end`: counted where both ends are known.
    /// - Parameter id: before which the blocks are missing.
    private mutating func noteMissed(
        _ lane: Lane, before end: UInt64?, _ until: Timestamp, _ id: Int64, _ portion: inout Portion
    ) {
        let progress = lanes[lane]
        lanes[lane].hasMissed = false
        let first = progress.expected ?? 0
        let last = max(first, max(end ?? 1, 1) - 1)
        let count = progress.expected != nil && end != nil ? (end ?? 0) - min(first, end ?? 0) : 0
        guard count > 0 || progress.hasMissed && (progress.expected == nil || end == nil) else { return }
        portion.losses.append(
            Gap(
                cause: .corruptBlock, lane: lane, first: first, last: last, count: count,
                since: progress.seen ?? until, until: until, outputs: []))
        guard let place = progress.next, place < id, count > 0 else { return }
        let tombstone = codec.tombstone(lane, id: place + progress.shift, first: first, last: last, committed: until)
        portion.blocks.append(tombstone)
    }

    /// A block with the numbers of the catalog; nil where it refers to what nobody can describe any more.
    private func translated(_ block: StoredBlock) -> StoredBlock? {
        if isSame { return block }
        guard var opened = try? codec.decode(block) else { return nil }
        var batch = Batch()
        for event in opened.batch.events {
            var device = event.device
            if device != .gateway {
                guard devices.indices.contains(device.index), devices[device.index].raw != .max else { return nil }
                device = devices[device.index]
            }
            for reading in opened.batch.readings[event.readings] {
                guard series.indices.contains(reading.series.index), series[reading.series.index].raw != .max else {
                    return nil
                }
                var reading = reading
                reading.series = series[reading.series.index]
                if case .text(let index) = reading.value { reading.value = batch.text(opened.batch.text(at: index)) }
                batch.readings.append(reading)
            }
            batch.close(event.detail, device: device, time: event.time, origin: event.origin)
        }
        opened.batch = batch
        return try? codec.encode(opened, insteadOf: block)
    }

    // MARK: Dead letters

    /// Those that can be read and whose points can be described, with the names of their outputs.
    mutating func deadLetters() -> [(output: String, letter: DeadLetter, body: StoredBlock)] {
        guard let rows = try? source.deadLetters("1 ORDER BY id"), let names = try? source.outputs() else { return [] }
        missingKeys.formUnion(rows.map(\.block).filter { $0.isWhole && !keys.has($0.keyID) }.map(\.keyID))
        return rows.filter { $0.block.isWhole && keys.has($0.block.keyID) }.compactMap { row in
            guard let name = names.first(where: { $0.number == row.output })?.name, let body = translated(row.block)
            else { return nil }
            let letter = DeadLetter(
                epoch: body.epoch, lane: body.lane, sequence: body.first, at: row.at, reason: row.reason, event: Batch()
            )
            return (name, letter, body)
        }
    }
}

extension Salvage {
    /// Opens what lies in a folder of the quarantine; nil where nothing can be read of it.
    static func source(in folder: String) -> Database? {
        let path = folder + "/outbox.db"
        if let database = try? Database(path: path) { return database }
        return FirstPage.mend(path) ? try? Database(path: path) : nil
    }
}
