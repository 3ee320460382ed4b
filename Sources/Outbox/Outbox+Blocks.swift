// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// What a commit writes: batches as blocks.

extension Outbox {
    /// More than one block only for what gathered while commits failed, or for long texts: a block is read back whole.
    static let eventsInBlock = 16_384
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

    func makeBlocks(
        _ batch: Batch, _ lane: Lane, _ now: Timestamp
    ) throws -> [(stored: StoredBlock, batch: Batch)] {
        return try Self.parts(of: batch).map { part in
            let next = books.next[lane]
            let block = try codec.encode(
                part, lane: lane, id: next.block, epoch: record.epoch, first: next.sequence, committed: now)
            books.next[lane] = Books.Next(block: next.block + 1, sequence: next.sequence + UInt64(part.events.count))
            return (block, part)
        }
    }

    /// Gap events are alarms of a kind: they go in the critical lane, whichever lane they tell of.
    static func add(_ gaps: [Gap], to batches: inout [(lane: Lane, batch: Batch)], _ now: Timestamp) {
        var batch = Batch()
        for gap in gaps { batch.append(gap, time: now) }
        add(batch, .critical, to: &batches)
    }

    static func add(_ batch: Batch, _ lane: Lane, to batches: inout [(lane: Lane, batch: Batch)]) {
        if let index = batches.firstIndex(where: { $0.lane == lane }) {
            batches[index].batch.append(batch)
        } else {
            batches.append((lane, batch))
        }
    }

    /// A dead letter that is kept no longer is lost like any other event.
    func note(_ letter: DeadLetterShelf.Discarded) {
        guard let name = books.name(ofOutput: letter.output) else { return }
        books.ledger.add(
            Gap(
                cause: .deadLetters, lane: letter.lane, first: letter.sequence, last: letter.sequence, count: 1,
                since: letter.at, until: letter.at, outputs: [name]))
    }

    func deadBody(_ letter: DeadLetter) throws -> StoredBlock {
        try codec.encode(
            letter.event, lane: letter.lane, id: 0, epoch: letter.epoch, first: letter.sequence, committed: letter.at
        ).letter
    }
}
