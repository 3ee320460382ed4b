// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import SQLite
import Waiting

/// What an output has to send next, all of one lane and of one stream.
public struct Portion: Sendable {
    public var blocks: [StoredBlock]
    /// How many events of the first block are settled already.
    public var done: Int
    public var stream: Stream
    /// The topics that are held: their events are not for this stream, unless it is a held range of theirs.
    public var held: Set<Topic> = []
}

extension Outbox {
    /// What an output has to send next; nil where nothing waits.
    ///
    /// Critical events go first, always, and in their order. Of the others fresh ones go before the backlog, but for
    /// one turn in four, so that both get on; and bulk goes before normal in one turn of four.
    /// - Parameters:
    ///   - lanes: the others are left for later.
    ///   - waiting: held topics that are left for later.
    public func next(
        for output: Int, bytes: Int, events: Int, of lanes: Set<Lane> = Set(Lane.allCases),
        without waiting: Set<HeldTopic> = []
    ) -> Portion? {
        guard !isClosed else { return nil }
        for lane in lanes { splitBacklog(output, lane) }
        do throws(SQLiteError) {
            for (lane, way) in order(of: output) where lanes.contains(lane) {
                let portion =
                    switch way {
                    case .live: try live(output, lane, bytes: bytes, events: events)
                    case .backlog: try backlog(output, lane, nil, bytes: bytes, events: events)
                    case .held: try backlog(output, lane, waiting, bytes: bytes, events: events)
                    }
                guard var portion else { continue }
                portion.held = books.outputs[output].positions[lane].heldTopics
                return portion
            }
        } catch {
            if mend(error, attempt: 1, wasReading: true) { bells[output].ring() }
        }
        return nil
    }

    private enum Way { case live, backlog, held }

    /// A held range whose topic is there again takes turns with what must not wait for it.
    private func order(of output: Int) -> [(lane: Lane, way: Way)] {
        turns[output] = (turns[output] + 1) % 16
        let turn = turns[output]
        let lanes: [Lane] = turn < 4 ? [.bulk, .normal] : [.normal, .bulk]
        let freshAndHeld: [Way] = turn.isMultiple(of: 2) ? [.held, .live] : [.live, .held]
        let critical = ([.backlog] + freshAndHeld).map { (Lane.critical, $0) }
        if outputs[output].isInOrder {
            return critical + lanes.flatMap { lane in ([.backlog] + freshAndHeld).map { (lane, $0) } }
        }
        let live = lanes.map { ($0, Way.live) }
        let old: [Way] = (turn / 4).isMultiple(of: 2) ? [.held, .backlog] : [.backlog, .held]
        let older = old.flatMap { way in lanes.map { ($0, way) } }
        return critical + (turn.isMultiple(of: 4) ? older + live : live + older)
    }

    private func live(_ output: Int, _ lane: Lane, bytes: Int, events: Int) throws(SQLiteError) -> Portion? {
        let end = books.next[lane].block
        if let portion = try portion(
            output, lane, .live, books.outputs[output].positions[lane].live, before: end, bytes: bytes, events: events)
        {
            return portion
        }
        if books.outputs[output].positions[lane].live.block < end {
            try skipMissing(output, lane, .live, to: end, nil)
        }
        return nil
    }

    /// - Parameter waiting: of held ranges, the topics that are left for later; nil for the backlog.
    private func backlog(
        _ output: Int, _ lane: Lane, _ waiting: Set<HeldTopic>?, bytes: Int, events: Int
    ) throws(SQLiteError) -> Portion? {
        while let range = nextBacklogRange(output, lane, waiting) {
            if let portion = try portion(
                output, lane, range.stream, range.cursor, before: range.until, bytes: bytes, events: events)
            {
                return portion
            }
            try skipMissing(output, lane, range.stream, to: range.until, nil)
        }
        return nil
    }

    /// Moves events that are no longer fresh into the backlog, unless the output sends everything in order.
    private func splitBacklog(_ output: Int, _ lane: Lane) {
        guard lane != .critical, !outputs[output].isInOrder else { return }
        books.outputs[output].positions[lane].split(at: fresh.first(lane, end: books.next[lane].block))
    }

    private func nextBacklogRange(_ output: Int, _ lane: Lane, _ waiting: Set<HeldTopic>?) -> BacklogRange? {
        let ready = books.outputs[output].positions[lane].backlog.filter(\.isReady)
        guard let waiting else { return ready.first { $0.topic == nil } }
        let held = ready.filter { range in
            guard let topic = range.topic, !range.isThrough else { return false }
            return !waiting.contains(HeldTopic(lane: lane, topic: topic))
        }
        // The oldest first: a topic may have several.
        return held.min { $1.cursor.isBeyond($0.cursor) }
    }

    private func portion(
        _ output: Int, _ lane: Lane, _ stream: Stream, _ cursor: Cursor, before end: Int64, bytes: Int, events: Int
    ) throws(SQLiteError) -> Portion? {
        var cursor = cursor
        while cursor.block < end {
            var blocks = try database.blocks(lane, from: cursor.block, before: end, bytes: bytes, events: events)
            if blocks.first?.id != cursor.block {
                // A row whose number is damaged hides those that follow it.
                let after = try database.blocks(lane, from: cursor.block + 1, before: end, bytes: bytes, events: events)
                if let found = after.first, found.id < blocks.first?.id ?? .max { blocks = after }
            }
            guard let first = blocks.first else { return nil }
            if first.id > cursor.block { try skipMissing(output, lane, stream, to: first.id, first) }
            guard first.isTombstone else {
                let done = first.id == cursor.block ? cursor.done : 0
                // Only a damaged row has fewer events than were settled of it: its block is told as such.
                return Portion(
                    blocks: Self.beforeHole(blocks), done: done < first.events ? done : 0, stream: stream)
            }
            cursor = Cursor(block: first.id + 1, done: 0)
            move(output, lane, stream, to: cursor)
        }
        return nil
    }

    private static func beforeHole(_ blocks: [StoredBlock]) -> [StoredBlock] {
        let hole = zip(blocks, blocks.dropFirst()).enumerated().first { $0.element.0.id + 1 < $0.element.1.id }
        return hole.map { Array(blocks[...$0.offset]) } ?? blocks
    }

    private func move(_ output: Int, _ lane: Lane, _ stream: Stream, to cursor: Cursor) {
        books.outputs[output].positions[lane].move(stream, to: cursor)
        needsHousekeeping()
    }

    /// Goes to a block before which others should be. What is let go leaves no hole: cursors are moved past it, and what
    /// lies between others becomes a tombstone. So whatever damage hides a block from a search by its number is told.
    private func skipMissing(
        _ output: Int, _ lane: Lane, _ stream: Stream, to id: Int64, _ next: StoredBlock?
    ) throws(SQLiteError) {
        let position = books.outputs[output].positions[lane]
        let from = position.cursor(of: stream)
        move(output, lane, stream, to: Cursor(block: id, done: 0))
        // Before what an output begins with, and before what a new database begins with, nothing is missing.
        guard from.block > Cursor.beginning, Books.isSameTurn(from.block, id) else { return }
        // Where a page leads elsewhere, or a row's number is damaged, a search can find what does not lie there.
        let before = try database.lastBefore(lane, from.block).flatMap { $0.id == from.block - 1 ? $0 : nil }
        guard before == nil || next == nil || before?.end != next?.first else { return }
        let name = books.outputs[output].name
        let between = before.flatMap { before in next.map { $0.first > before.end ? $0.first - before.end : 0 } } ?? 0
        guard let count = lost(between, of: between, output, lane, stream) else { return }
        logger.error(
            .blocksMissing, "Blocks are missing in the outbox",
            metadata: ["lane": "\(lane.name)", "from": "\(from.block)", "to": "\(id - 1)"])
        books.ledger.add(
            Gap(
                cause: .corruptBlock, lane: lane, first: count > 0 ? before?.end ?? 0 : 0,
                last: count > 0 ? (next?.first ?? 1) - 1 : 0, count: count, since: before?.until ?? .now,
                until: next?.since ?? .now, outputs: [name]))
    }

    // MARK: Settling

    /// What an output left with what it settled, in this life or one before.
    public func marks(of output: Int) -> [String: Int64] { books.outputs[output].marks }

    /// Moves an output's cursor: of `block`, the first `done` events are settled or left to held ranges, and all before it
    /// in the stream. Kept from the next commit on.
    /// - Parameters:
    ///   - marks: what the output wants to know after a restart, kept together with the cursor.
    ///   - left: the events that are left to held ranges, by topic.
    ///   - taken: the events of a held range that are settled.
    public func settle(
        _ output: Int, _ stream: Stream, _ block: StoredBlock, done: Int, dead: [DeadLetter] = [],
        marks: [String: Int64] = [:], left: [Topic: Int] = [:], taken: Int = 0
    ) {
        let lane = block.lane
        let cursor = Cursor(after: done, of: block)
        // A topic may have been released while the batch was under way.
        for topic in left.keys.sorted(by: { $0.name < $1.name }) { books.outputs[output].positions[lane].hold(topic) }
        guard books.outputs[output].positions[lane].move(stream, to: cursor, taken: taken) else {
            return  // evicted meanwhile
        }
        books.outputs[output].positions[lane].leave(left, through: block.id)
        books.outputs[output].marks.merge(marks) { $1 }
        books.outputs[output].unsavedMarks.formUnion(marks.keys)
        deadLetters += dead.map { (books.outputs[output].number, $0) }
        settleHeld(dead: dead)
        needsHousekeeping()
    }

    /// Goes past a block that no longer is what was written, and notes the loss.
    public func skip(_ output: Int, _ stream: Stream, _ block: StoredBlock) {
        logger.error(
            .blockDamaged, "A block is damaged; the outbox skips it",
            metadata: ["lane": "\(block.lane.name)", "block": "\(block.id)"])
        // The columns may be what is damaged: what the neighbours say is what is missing.
        let after = (try? database.head(block.lane, from: block.id + 1))?.first ?? books.next[block.lane].sequence
        let before = try? database.lastBefore(block.lane, block.id)
        let first =
            before.map { Books.isSameTurn($0.id, block.id) ? min($0.end, block.first) : block.first } ?? block.first
        let whole = after > first ? min(after - first, UInt64(Self.eventsInBlock)) : 0
        let rest = books.next[block.lane].sequence - min(first, books.next[block.lane].sequence)
        guard let count = lost(whole, of: rest, output, block.lane, stream) else {
            return move(output, block.lane, stream, to: Cursor(block: block.id + 1, done: 0))
        }
        let name = books.outputs[output].name
        books.ledger.add(
            Gap(
                cause: .corruptBlock, lane: block.lane, first: first, last: first + max(count, 1) - 1,
                count: count, since: block.since, until: block.until, outputs: [name]))
        move(output, block.lane, stream, to: Cursor(block: block.id + 1, done: 0))
    }

    // MARK: Held topics

    /// The maximum number of held topics of an output in a lane. The ranges of each topic read the blocks again.
    public static let mostHeldTopics = 32

    /// Holds topics that the broker refuses, so that other topics go on: their events that are not settled become held
    /// ranges of the output and the lane, and so do those to come.
    /// - Returns: false where there are too many of them already; then the output waits.
    public func holdTopics(_ topics: Set<Topic>, of output: Int, _ lane: Lane) -> Bool {
        let held = books.outputs[output].positions[lane].heldTopics
        guard held.union(topics).count <= Self.mostHeldTopics else { return false }
        for topic in topics.subtracting(held).sorted(by: { $0.name < $1.name }) {
            books.outputs[output].positions[lane].hold(topic)
        }
        needsHousekeeping()
        return true
    }

    /// How many events wait for each held topic of an output.
    public func heldTopics(of output: Int) -> [HeldTopic: Int] {
        var held: [HeldTopic: Int] = [:]
        for lane in Lane.allCases {
            let position = books.outputs[output].positions[lane]
            for topic in position.heldTopics { held[HeldTopic(lane: lane, topic: topic)] = position.held(topic) }
        }
        return held
    }

    /// What a stream loses where events are gone, 0 where the number is unknown; nil where a held range has none to lose.
    /// - Parameter total: how many lie in a held range with them, at the most.
    private func lost(_ count: UInt64, of total: UInt64, _ output: Int, _ lane: Lane, _ stream: Stream) -> UInt64? {
        guard let topic = stream.topic else {
            books.outputs[output].positions[lane].loseUnleft(stream) { _ in count }
            return count
        }
        guard books.outputs[output].positions[lane].mayHold(topic) else { return nil }
        return books.outputs[output].positions[lane].lose(count, of: total, stream)
    }
}

/// A topic of a lane that the broker refuses.
public struct HeldTopic: Sendable, Hashable {
    public var lane: Lane
    public var topic: Topic

    public init(lane: Lane, topic: Topic) {
        self.lane = lane
        self.topic = topic
    }
}
