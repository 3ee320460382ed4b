// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// What is in the outbox and how far each output is.
public struct OutboxStatus: Sendable {
    public struct Backlog: Sendable {
        public var output: String
        public var lane: Lane
        /// Events not yet settled.
        public var waiting: UInt64
        /// When the oldest of them was committed; nil where none waits.
        public var oldest: Timestamp?
        /// The sequence number of the next event to be sent.
        public var cursor: UInt64
        public var deadLetters: Int
        /// The waiting events of each held topic.
        public var held: [Topic: Int] = [:]
    }

    public struct LaneStatus: Sendable {
        public var lane: Lane
        /// The sequence number the next event will get.
        public var next: UInt64
        public var oldest: Timestamp?
    }

    public var epoch: UInt64
    /// Bytes of the database file.
    public var bytes: Int64
    public var maxBytes: Int64
    /// What is wrong with the disk or the file; nil where nothing is.
    public var trouble: String?
    /// The keys that something in it is sealed with, by name; the one that seals now first.
    public var keys: [String]
    public var lanes: [LaneStatus]
    public var backlogs: [Backlog]
    /// What has been lost, as far back as is kept.
    public var losses: [LossTotals.Entry]
}

extension OutboxStatus {
    /// - Parameter key: the one that seals now.
    init(
        of database: borrowing Database, _ books: Books, epoch: UInt64, maxBytes: Int64, key: Int64
    ) throws(SQLiteError) {
        self.init(
            epoch: epoch, bytes: try database.size(), maxBytes: maxBytes,
            keys: try database.keys().sorted { $0 == key && $1 != key }.map(KeyRing.name), lanes: [], backlogs: [],
            losses: books.ledger.totals.entries)
        for lane in Lane.allCases {
            let next = books.next[lane]
            lanes.append(
                LaneStatus(lane: lane, next: next.sequence, oldest: try database.head(lane, from: 0)?.committed))
            for output in books.outputs {
                let backlog = try database.backlog(
                    lane, output.positions[lane], output: output.name, next: next)
                backlogs.append(backlog)
                backlogs[backlogs.count - 1].deadLetters = books.shelf.count(output: output.number, lane)
            }
        }
    }
}

extension Database {
    /// What waits for an output in a lane. Where events between are gone they are counted as if they were there.
    fileprivate func backlog(
        _ lane: Lane, _ position: Position, output: String, next: Books.Next
    ) throws(SQLiteError) -> OutboxStatus.Backlog {
        var backlog = OutboxStatus.Backlog(
            output: output, lane: lane, waiting: 0, oldest: nil, cursor: next.sequence, deadLetters: 0)
        let ranges =
            position.backlog.filter(\.isReady).map { (cursor: $0.cursor, end: $0.until, topic: $0.topic) }
            + [(cursor: position.live, end: next.block, topic: nil)]
        for topic in position.heldTopics where position.held(topic) > 0 {
            backlog.held[topic] = position.held(topic)
        }
        backlog.waiting = UInt64(backlog.held.values.reduce(0, +))
        for (cursor, end, topic) in ranges {
            guard let head = try head(lane, from: cursor.block), head.id < end,
                let last = try lastBefore(lane, end)
            else { continue }
            if let topic {
                if backlog.held[topic] != nil { backlog.oldest = min(backlog.oldest ?? head.committed, head.committed) }
                continue
            }
            let first = head.first + (head.id == cursor.block ? UInt64(cursor.done) : 0)
            backlog.waiting += last.end - min(first, last.end)
            backlog.oldest = min(backlog.oldest ?? head.committed, head.committed)
            if cursor == position.live { backlog.cursor = first }
        }
        return backlog
    }
}

extension Outbox {
    public func status() throws -> OutboxStatus {
        var status = try OutboxStatus(
            of: database, books, epoch: epoch, maxBytes: max(room.bytes, 0), key: settings.keys.current)
        status.trouble = currentTrouble
        // Letters that the next commit will keep.
        for (output, letter) in deadLetters {
            guard let name = books.name(ofOutput: output),
                let index = status.backlogs.firstIndex(where: { $0.output == name && $0.lane == letter.lane })
            else { continue }
            status.backlogs[index].deadLetters += 1
        }
        return status
    }
}
