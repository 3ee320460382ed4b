// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
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
    public var lanes: [LaneStatus]
    public var backlogs: [Backlog]
}

extension OutboxStatus {
    /// What a stopped gateway left behind.
    /// - Throws: `OutboxError` of kind `inUse` while a gateway has it open.
    public static func ofStopped(_ settings: OutboxSettings) throws -> OutboxStatus {
        guard access(settings.databasePath, F_OK) == 0 else {
            throw OutboxError(.retry, "\(settings.databasePath) is not there: has this gateway ever run?")
        }
        let database = try Database(path: settings.databasePath)
        let nextSequences = try Lane.allCases.map { lane in
            try database.last(lane)?.end ?? 1
        }
        var outputs: [(number: Int64, name: String, cursors: [Cursor])] = []
        for (number, name) in try database.outputs() {
            outputs.append((number, name, try Lane.allCases.map { try database.cursor(output: number, $0) }))
        }
        return try database.status(
            DeadLetterShelf(in: database, maxSize: settings.maxSize),
            epoch: UInt64(bitPattern: database.meta("epoch") ?? 0), maxBytes: settings.maxSize,
            nextSequences: nextSequences, outputs: outputs)
    }
}

extension Database {
    func status(
        _ shelf: DeadLetterShelf, epoch: UInt64, maxBytes: Int64, nextSequences: [UInt64],
        outputs: [(number: Int64, name: String, cursors: [Cursor])]
    ) throws(SQLiteError) -> OutboxStatus {
        var status = OutboxStatus(epoch: epoch, bytes: try size(), maxBytes: maxBytes, lanes: [], backlogs: [])
        for lane in Lane.allCases {
            let next = nextSequences[Int(lane.rawValue)]
            status.lanes.append(.init(lane: lane, next: next, oldest: try head(lane, from: 0)?.committed))
            for output in outputs {
                let cursor = output.cursors[Int(lane.rawValue)]
                let head = try head(lane, from: cursor.block)
                let sequence = head.map { $0.first + ($0.id == cursor.block ? UInt64(cursor.done) : 0) } ?? next
                status.backlogs.append(
                    .init(
                        output: output.name, lane: lane, waiting: next - min(sequence, next), oldest: head?.committed,
                        cursor: sequence, deadLetters: shelf.count(output: output.number, lane)))
            }
        }
        return status
    }
}
