// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Zstd

/// The events of one commit in one lane, as they lie in the outbox.
public struct StoredBlock: Sendable, Equatable {
    public var lane: Lane
    public var id: Int64
    /// The epoch its events were named in.
    public var epoch: UInt64
    /// The sequence number of its first event.
    public var first: UInt64
    /// The sequence number of the last where some between the two are gone; else 0.
    var last: UInt64 = 0
    public var events: Int
    public var readings: Int
    public var since: Timestamp
    public var until: Timestamp
    public var committed: Timestamp
    var codec: Int64
    /// Which key its body is sealed with; 0 for none.
    var keyID: Int64 = 0
    var crc: UInt32
    var body: [UInt8]

    /// The sequence number after its last event.
    public var end: UInt64 { last > 0 ? last + 1 : first + UInt64(events) }

    /// Over the columns too, so that a body cannot be taken for another's.
    func checksum() -> UInt32 {
        var checksum = CRC32C()
        checksum.add(header(id: id, readings: readings))
        checksum.add(body)
        return checksum.value
    }

    /// Nil where it is none that is known.
    var format: BlockBody.Format? { BlockBody.Format(rawValue: codec) }

    var isWhole: Bool { crc == checksum() }

    /// What its body is sealed to: who its events are. Neither its number, which a block that is saved or sent again
    /// changes, nor what is told of dead letters without opening them.
    fileprivate var identity: [UInt8] { header(id: 0, readings: 0) }

    /// The columns as bytes.
    private func header(id: Int64, readings: Int) -> [UInt8] {
        var header = ByteWriter()
        header.byte(lane.rawValue)
        for number in [
            id, Int64(bitPattern: epoch), Int64(bitPattern: first), Int64(events), Int64(readings),
            committed.microseconds, codec,
        ] {
            header.zigzag(number)
        }
        if last > 0 { header.varint(last) }
        if keyID > 0 { header.zigzag(keyID) }
        return header.bytes
    }

    /// How many events are gone between another block and this, and nothing stands for them. A database that was begun
    /// after another does not go on from it.
    public func missing(after before: StoredBlock) -> UInt64 {
        Books.isSameTurn(before.id, id) && first > before.end ? first - before.end : 0
    }

    /// Whether it only stands for events that are gone, and have been told of.
    var isTombstone: Bool { events == 0 && isWhole }

    /// The same under another number.
    func renumbered(_ id: Int64) -> StoredBlock {
        var block = self
        block.id = id
        block.crc = block.checksum()
        return block
    }

    /// As the body of a dead letter, of which no row says how many readings it has.
    var letter: StoredBlock {
        var block = self
        block.readings = 0
        return block.renumbered(0)
    }
}

/// A block that no longer is what was written.
public struct CorruptBlock: Error, Equatable, CustomStringConvertible {
    public let description: String
}

/// A block's events, each with its sequence number.
public struct OpenedBlock: Sendable {
    public var batch: Batch
    let first: UInt64
    /// Empty where they follow one another without holes.
    var sequences: [UInt64]

    public func sequence(at place: Int) -> UInt64 {
        sequences.indices.contains(place) ? sequences[place] : first + UInt64(place)
    }
}

/// Turns batches into blocks and blocks into batches.
public struct BlockCodec: ~Copyable {
    /// More than a block of ours ever expands to; what claims more is damaged.
    private static let expandedLimit = 64 << 20
    private let zstd = Zstd()
    private let keys: KeyRing

    public init(keys: KeyRing) {
        self.keys = keys
    }

    func encode(
        _ batch: Batch, lane: Lane, id: Int64, epoch: UInt64, first: UInt64, committed: Timestamp
    ) throws -> StoredBlock {
        var block = StoredBlock(
            lane: lane, id: id, epoch: epoch, first: first, events: batch.events.count, readings: batch.readings.count,
            since: batch.events.map(\.time).min() ?? committed, until: batch.events.map(\.time).max() ?? committed,
            committed: committed, codec: BlockBody.Format.plain.rawValue, crc: 0, body: [])
        try fill(&block, with: BlockBody.encode(batch))
        return block
    }

    /// Stands for events that are gone.
    func tombstone(_ lane: Lane, id: Int64, first: UInt64, last: UInt64, committed: Timestamp) -> StoredBlock {
        var block = StoredBlock(
            lane: lane, id: id, epoch: 0, first: first, last: last, events: 0, readings: 0, since: committed,
            until: committed, committed: committed, codec: BlockBody.Format.plain.rawValue, crc: 0, body: [])
        block.crc = block.checksum()
        return block
    }

    /// A block again with fewer or changed events, in its old place.
    /// - Parameter opened: at least one event.
    func encode(_ opened: OpenedBlock, insteadOf old: StoredBlock) throws -> StoredBlock {
        var block = old
        block.events = opened.batch.events.count
        block.readings = opened.batch.readings.count
        var body = ByteWriter()
        if opened.sequences.isEmpty {
            block.codec = BlockBody.Format.plain.rawValue
        } else {
            block.codec = BlockBody.Format.withSequences.rawValue
            block.last = old.end - 1
            BlockBody.write(opened.sequences, from: old.first, to: &body)
        }
        body.raw(BlockBody.encode(opened.batch))
        try fill(&block, with: body.bytes)
        return block
    }

    private func fill(_ block: inout StoredBlock, with body: [UInt8]) throws {
        // Before its identity is told, which has it.
        block.keyID = keys.current
        block.body = try sealed(body, epoch: block.epoch, header: block.identity)
        block.crc = block.checksum()
    }

    /// The key that `sealed` seals with; 0 for none.
    var currentKey: Int64 { keys.current }

    /// Compressed, and sealed where there is a key.
    func sealed(_ bytes: [UInt8], epoch: UInt64, header: [UInt8]) throws -> [UInt8] {
        try keys.seal(try zstd.compress(bytes, level: 1), epoch: epoch, header: header)
    }

    func unsealed(_ body: [UInt8], key: Int64, epoch: UInt64, header: [UInt8]) throws -> [UInt8] {
        try zstd.expand(try keys.open(body, key: key, epoch: epoch, header: header), limit: Self.expandedLimit)
    }

    public func decode(_ block: StoredBlock) throws(CorruptBlock) -> OpenedBlock {
        guard let format = block.format else {
            throw CorruptBlock(description: "codec \(block.codec) is not known")
        }
        guard block.isWhole else { throw CorruptBlock(description: "the checksum does not match") }
        if block.events == 0 { return OpenedBlock(batch: Batch(), first: block.first, sequences: []) }
        var opened = OpenedBlock(batch: Batch(), first: block.first, sequences: [])
        do {
            var reader = ByteReader(
                try unsealed(block.body, key: block.keyID, epoch: block.epoch, header: block.identity))
            if format.hasSequences {
                opened.sequences = try BlockBody.readSequences(from: block.first, &reader)
            }
            opened.batch = try BlockBody.decode(&reader, format)
        } catch {
            throw CorruptBlock(description: "\(error)")
        }
        guard opened.batch.events.count == block.events,
            opened.sequences.isEmpty || opened.sequences.count == block.events
        else { throw CorruptBlock(description: "the events do not add up") }
        return opened
    }
}
