// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A place in a lane: everything before `block`, and the first `done` events of it, is settled.
public struct Cursor: Sendable, Equatable {
    public var block: Int64
    public var done: Int

    /// Before everything.
    static let start = Cursor(block: 0, done: 0)
    /// Up to this block a cursor stands for what is there, whatever its number.
    static let beginning: Int64 = 1

    init(block: Int64, done: Int) {
        self.block = block
        self.done = done
    }

    /// After the first `done` events of a block.
    init(after done: Int, of block: StoredBlock) {
        self = done >= block.events ? Cursor(block: block.id + 1, done: 0) : Cursor(block: block.id, done: done)
    }

    /// The block after the last of which something is settled.
    var end: Int64 { done > 0 ? block + 1 : block }
}

/// Older blocks of a lane that an output still has to send, beside its fresh ones: the backlog of an outage, blocks
/// that were saved from a damaged database, or what somebody asks for again.
struct BacklogRange: Sendable, Equatable {
    var cursor: Cursor
    /// The block after its last.
    var until: Int64
    /// False while its blocks are not there yet.
    var isReady: Bool
    /// The topic of a held range: only its events are sent. Nil for all events but those of held topics.
    var topic: Topic?
    /// Of a held range, the events that the other streams have left to it less those that it has settled. Below zero while
    /// it is ahead of them.
    var events = 0

    /// Whatever there will be before a block.
    static func everything(before first: Int64) -> BacklogRange {
        BacklogRange(cursor: .start, until: first, isReady: false)
    }

    func covers(_ other: BacklogRange) -> Bool {
        !isReady && topic == other.topic && !cursor.isBeyond(other.cursor) && until >= other.until
    }

    var stream: Stream { .backlog(until: until, topic: topic) }

    /// Whether it has nothing to send now. A held range stays after that, for as long as its topic is held.
    var isThrough: Bool { cursor.block >= until }
}

/// Where one output is in one lane.
struct Position: Sendable, Equatable {
    var live = Cursor.start
    /// In the order in which they are sent.
    var backlog: [BacklogRange] = []
    /// Which of them the next commit has to write.
    var isLiveUnsaved = false
    var isBacklogUnsaved = false

    /// The first block that it may still need.
    /// - Parameter withWaiting: false leaves out what waits for its blocks.
    func needed(withWaiting: Bool = true) -> Int64 {
        backlog.filter { !$0.isThrough && (withWaiting || $0.isReady) }.map(\.cursor.block).reduce(live.block, min)
    }

    /// What comes before a block is not there yet, and will be.
    mutating func awaitOlder(before first: Int64) {
        let beginning = Cursor(block: first, done: 0)
        if live.block < first { move(.live, to: beginning) }
        backlog.removeAll { $0.until <= first }
        for index in backlog.indices where backlog[index].cursor.block < first { backlog[index].cursor = beginning }
        add(.everything(before: first))
    }

    /// What a database that is saved says of how far it was; nil where it does not, and all of it is to be sent.
    mutating func takeOver(_ known: [BacklogRange]?, until first: Int64) {
        let everything = BacklogRange.everything(before: first)
        if known != nil { backlog.removeAll { $0.isEverything(before: first) } }
        let held = Set((known ?? []).compactMap(\.topic))
        for topic in held { hold(topic) }
        // One that was saved before it may have had the same to send.
        for range in known ?? [everything] where !backlog.contains(where: { $0.covers(range) }) {
            range.topic == nil ? add(range, exceptHeld: held) : backlog.append(range)
        }
        isBacklogUnsaved = true
    }

    /// The block after the last that it knows of.
    var end: Int64 { backlog.map(\.until).reduce(live.block, max) }

    var isUnsaved: Bool { isLiveUnsaved || isBacklogUnsaved }

    /// Moves everything before `fresh` into the backlog, so that new events do not wait for it.
    mutating func split(at fresh: Int64) {
        guard live.block < fresh else { return }
        extendHeld(to: fresh)
        if let last = backlog.lastIndex(where: { $0.topic == nil }), backlog[last].isReady,
            backlog[last].until == live.block, live.done == 0
        {
            backlog[last].until = fresh
        } else {
            backlog.append(BacklogRange(cursor: live, until: fresh, isReady: true))
        }
        live = Cursor(block: fresh, done: 0)
        isLiveUnsaved = true
        isBacklogUnsaved = true
    }

    /// Its blocks before `first` are elsewhere for now, and wait.
    mutating func leave(at first: Int64) {
        extendHeld(to: first)
        for index in backlog.indices { backlog[index].isReady = false }
        if live.block < first { backlog.append(BacklogRange(cursor: live, until: first, isReady: false)) }
        live = Cursor(block: first, done: 0)
    }

    func cursor(of stream: Stream) -> Cursor {
        guard case .backlog(let until, let topic) = stream else { return live }
        return index(ofBacklog: until, topic).map { backlog[$0].cursor } ?? .start
    }

    /// The others keep their ends, so that an end tells which it is, whatever was split or evicted meanwhile. One that waits
    /// for its blocks is meant only where no other is: it was under way when the disk was left. Of the held ranges of a
    /// topic, which may overlap, it is the one whose end has changed least, and of those with the same end the oldest.
    func index(ofBacklog until: Int64, _ topic: Topic?) -> Int? {
        let all = backlog.indices.filter {
            backlog[$0].topic == topic && backlog[$0].until >= until && backlog[$0].cursor.block < until
        }
        let ready = all.filter { backlog[$0].isReady }
        let candidates = ready.isEmpty ? all : ready
        if topic == nil { return candidates.first }
        return candidates.min {
            let (one, other) = (backlog[$0], backlog[$1])
            return one.until != other.until ? one.until < other.until : other.cursor.isBeyond(one.cursor)
        }
    }

    /// Moves the cursor of a stream; it never goes back.
    /// - Parameter taken: the events of a held range that are settled by it.
    /// - Returns: whether it moved.
    @discardableResult
    mutating func move(_ stream: Stream, to cursor: Cursor, taken: Int = 0) -> Bool {
        switch stream {
        case .live:
            guard cursor.isBeyond(live) else { return false }
            extendHeld(to: cursor.end)
            live = cursor
            isLiveUnsaved = true
        case .backlog(let until, let topic):
            guard let index = index(ofBacklog: until, topic), cursor.isBeyond(backlog[index].cursor) else {
                return false
            }
            backlog[index].cursor = cursor
            backlog[index].events -= taken
            if topic == nil, backlog[index].isThrough { backlog.remove(at: index) }
            isBacklogUnsaved = true
        }
        releaseHeld()
        return true
    }
}

extension Cursor {
    func isBeyond(_ other: Cursor) -> Bool {
        block > other.block || block == other.block && done > other.done
    }
}

/// The part of a lane that an output's batch comes from.
public enum Stream: Sendable, Equatable {
    /// What was committed a moment ago.
    case live
    /// A range, by the block at which it ends; with a topic, a held range.
    case backlog(until: Int64, topic: Topic? = nil)

    /// The topic of a held range.
    public var topic: Topic? {
        if case .backlog(_, let topic) = self { topic } else { nil }
    }
}
