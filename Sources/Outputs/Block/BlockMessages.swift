// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Zstd

/// Windows of events by columns, compressed: `deploy/block-format.md`.
struct BlockMessages {
    /// As much as brokers take unless they are told otherwise, with room to spare.
    private static let bytes = 512 * 1_024
    /// More takes longer and gains nothing.
    private static let level: Int32 = 6

    /// Events in a message; fewer where brokers take no larger ones.
    var most = Self.window
    private static let window = 1_000
    private var block: EventBlock
    private var pending: (topic: String, time: Timestamp, isBacklog: Bool)?

    init(_ block: EventBlock) {
        self.block = block
    }

    /// Whether another event of a topic is to go into another message.
    func isFull(for topic: String) -> Bool {
        pending.map { $0.topic != topic || block.bytes >= Self.bytes || block.events >= most } ?? false
    }

    /// - Returns: whether columns can tell it; else it is to be added as a CloudEvent.
    mutating func add(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, isBacklog: Bool, topic: String
    ) -> Bool {
        if pending == nil { pending = (topic, event.time, isBacklog) }
        return block.add(event, of: batch, id: id, isReplayed: isReplayed)
    }

    mutating func add(json: [UInt8], id: EventID) { block.add(json: json, id: id) }

    /// What was refused may have been an exception.
    mutating func grow() { most = min(Self.window, most + max(1, most / 8)) }

    /// All that was added since the last one; nil where that is nothing.
    mutating func close() -> (topic: String, time: Timestamp, isBacklog: Bool, events: Int, payload: [UInt8])? {
        guard let (topic, time, isBacklog) = pending else { return nil }
        pending = nil
        let events = block.events
        let (head, body) = block.close()
        let zstd = Zstd()
        guard let head = try? zstd.compress(head, level: Self.level),
            let body = try? zstd.compress(body, level: Self.level)
        else { preconditionFailure("memory to compress a block") }
        var payload = ByteWriter()
        payload.raw("HGB1".utf8)
        payload.fixed32(UInt32(head.count))
        payload.raw(head)
        payload.raw(body)
        return (topic, time, isBacklog, events, payload.bytes)
    }
}
