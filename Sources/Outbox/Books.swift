// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// What the database says, beside the blocks themselves. A commit that fails leaves it as it was before.
struct Books {
    /// What the next block of a lane gets.
    struct Next: Equatable {
        var block: Int64
        var sequence: UInt64
    }

    struct Output {
        var number: Int64
        var name: String
        /// By lane.
        var positions: PerLane<Position>
        /// How far it is at the places of its broker; see `Outbox.settle`.
        var marks: [String: Int64] = [:]
        var unsavedMarks: Set<String> = []
    }

    var outputs: [Output] = []
    /// By lane.
    var next: PerLane<Next>
    var ledger: LossLedger
    var shelf: DeadLetterShelf
    var alarms = AlarmBook()
    var windows = WindowBook()
    /// How much of the catalog is stored.
    var stored = (devices: 0, series: 0)
    /// The last time that the clock jumped ahead.
    private(set) var clockJump: ClockJump?
    private var isClockJumpUnsaved = false

    /// Of a database that nothing is in yet.
    /// - Parameter first: the number of the first block, and of its first event; 0 for a beginning.
    init(first: Int64, maxSize: Int64, outputs names: [String]) {
        next = PerLane(repeating: Self.beginning(at: first))
        ledger = LossLedger(totals: LossTotals(outputs: names))
        shelf = DeadLetterShelf(room: maxSize / 10)
        outputs = names.enumerated().map { index, name in
            Output(number: Int64(index + 1), name: name, positions: PerLane(repeating: Position()))
        }
        for lane in Lane.allCases { begin(lane, at: next[lane].block) }
    }

    /// Of a database that is there. An output that the configuration no longer has keeps its place, and what it has not
    /// sent, until that is too old: it may have been renamed by mistake. One that is new starts at the oldest block.
    init(reading database: borrowing Database, maxSize: Int64, outputs names: [String]) throws(SQLiteError) {
        next = PerLane(repeating: Self.beginning(at: 0))
        shelf = try DeadLetterShelf(in: database, room: maxSize / 10)
        clockJump = try database.clockJump()
        let known = try database.outputs().map(\.name)
        let all = names + known.filter { !names.contains($0) }
        ledger = LossLedger(
            open: try database.openGaps(), totals: LossTotals(of: try database.gaps().map(\.gap), outputs: all))
        for name in all {
            let number = try database.number(ofOutput: name)
            outputs.append(
                Output(
                    number: number, name: name, positions: try Self.positions(number, in: database),
                    marks: try database.marks(ofOutput: number)))
        }
        for lane in Lane.allCases {
            // Where there is no block to go on from, the next must not lie behind where an output is: it would count as
            // sent.
            let reached = outputs.map { $0.positions[lane].end }.max() ?? 0
            let first = try database.meta("first") ?? 0
            // What comes before its first was saved from another database.
            let last = try database.last(lane).flatMap { $0.id >= first ? $0 : nil }
            var found =
                last.map { Next(block: max($0.id + 1, reached), sequence: $0.end) }
                ?? Self.beginning(at: max(reached, first))
            if let left = try database.end(lane), left.sequence >= found.sequence {
                if left.sequence > found.sequence {
                    ledger.addEnded(
                        Gap(
                            cause: .corruptBlock, lane: lane, first: found.sequence, last: left.sequence - 1,
                            count: left.sequence - found.sequence, since: last?.until ?? .now, until: .now, outputs: [])
                    )
                }
                // The number of the newest may be what is damaged.
                found = Next(block: max(found.block, left.block), sequence: left.sequence)
            }
            next[lane] = found
        }
        for lane in Lane.allCases {
            begin(lane, at: try database.head(lane, from: .min)?.id ?? next[lane].block)
        }
    }

    /// A database that is begun after another takes a turn: its numbers are far beyond the other's.
    static func isSameTurn(_ one: Int64, _ other: Int64) -> Bool { one >> turnBits == other >> turnBits }
    static let turnBits: Int64 = 32

    /// - Parameter first: 0 for a beginning, which leaves room for what is sent once more.
    static func beginning(at first: Int64) -> Next {
        first > 1_000 ? Next(block: first, sequence: UInt64(first)) : Next(block: 1_000, sequence: 1)
    }

    /// Outputs of which nothing is known yet begin with the oldest block. That it is a number makes a block that is hidden
    /// there be missed.
    private mutating func begin(_ lane: Lane, at block: Int64) {
        for output in outputs.indices {
            let position = outputs[output].positions[lane]
            guard position.live == .start, position.backlog.isEmpty else { continue }
            outputs[output].positions[lane].move(.live, to: Cursor(block: block, done: 0))
        }
    }

    static func positions(_ output: Int64, in database: borrowing Database) throws(SQLiteError) -> PerLane<Position> {
        try PerLane.each { lane throws(SQLiteError) in
            var position = Position()
            position.live = try database.cursor(output: output, lane)
            if let backlog = try database.backlog(output: output, lane) {
                position.backlog = backlog
            } else {
                // Nobody knows how far it was: what is sent twice has the same name.
                position.live = .start
                position.isBacklogUnsaved = true
            }
            return position
        }
    }

    func name(ofOutput number: Int64) -> String? {
        outputs.first { $0.number == number }?.name
    }

    /// Everything is to be written again, into a database that knows nothing of it.
    mutating func markUnsaved() {
        for output in outputs.indices {
            outputs[output].unsavedMarks = Set(outputs[output].marks.keys)
            for lane in Lane.allCases {
                outputs[output].positions[lane].isLiveUnsaved = true
                outputs[output].positions[lane].isBacklogUnsaved = true
            }
        }
        ledger.markUnsaved()
        alarms.markUnsaved()
        windows.markUnsaved()
        stored = (0, 0)
        isClockJumpUnsaved = clockJump != nil
    }

    var hasUnsaved: Bool {
        ledger.hasUnsaved || windows.hasUnsaved || outputs.contains { $0.positions.values.contains(where: \.isUnsaved) }
    }

    /// The first block of a lane that some output may still need.
    /// - Parameter withWaiting: false leaves out what waits for its blocks.
    func needed(_ lane: Lane, withWaiting: Bool) -> Int64 {
        outputs.map { $0.positions[lane].needed(withWaiting: withWaiting) }.min() ?? next[lane].block
    }

    /// Writes what has changed since the last commit.
    mutating func save(announced: [(row: Int64?, gap: Gap)], in database: borrowing Database) throws(SQLiteError) {
        for output in outputs.indices {
            for lane in Lane.allCases { try savePosition(output, lane, in: database) }
            for place in outputs[output].unsavedMarks {
                try database.set(
                    mark: outputs[output].marks[place] ?? 0, at: place, output: outputs[output].number)
            }
            outputs[output].unsavedMarks.removeAll()
        }
        try ledger.save(announced: announced, in: database)
        if isClockJumpUnsaved, let clockJump { try database.set(clockJump) }
        isClockJumpUnsaved = false
    }

    /// Notes that the clock jumped ahead, before what is committed next.
    mutating func clockJumped(at time: Timestamp) {
        clockJump = ClockJump(blocks: next.map(\.block), at: time)
        isClockJumpUnsaved = true
    }

    /// A jump that was a mistake would keep everything for as long as the mistake was large.
    mutating func clockIsSetBack(to now: Timestamp) {
        guard let jump = clockJump, now < jump.at else { return }
        clockJump?.at = now
        isClockJumpUnsaved = true
    }

    /// What is saved from another database was committed before a jump that is known there.
    mutating func takeOver(_ jump: ClockJump?) {
        if clockJump == nil, let jump { clockJumped(at: jump.at) }
    }

    private mutating func savePosition(
        _ output: Int, _ lane: Lane, in database: borrowing Database
    ) throws(SQLiteError) {
        let position = outputs[output].positions[lane]
        if position.isLiveUnsaved { try database.set(position.live, output: outputs[output].number, lane) }
        if position.isBacklogUnsaved { try database.set(position.backlog, output: outputs[output].number, lane) }
        outputs[output].positions[lane].isLiveUnsaved = false
        outputs[output].positions[lane].isBacklogUnsaved = false
    }
}
