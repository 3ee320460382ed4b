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
    var keyID: Int64 = 0
    var crc: UInt32
    var body: [UInt8]

    /// The sequence number after its last event.
    public var end: UInt64 { last > 0 ? last + 1 : first + UInt64(events) }

    /// Over the columns too, so that a body cannot be taken for another's.
    func checksum() -> UInt32 {
        var checksum = CRC32C()
        checksum.add(header)
        checksum.add(body)
        return checksum.value
    }

    /// The columns as bytes.
    var header: [UInt8] {
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

    /// The same under another number.
    func renumbered(_ id: Int64) -> StoredBlock {
        var block = self
        block.id = id
        block.crc = block.checksum()
        return block
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

    public init() {}

    func encode(
        _ batch: Batch, lane: Lane, id: Int64, epoch: UInt64, first: UInt64, committed: Timestamp
    ) throws(ZstdError) -> StoredBlock {
        var block = StoredBlock(
            lane: lane, id: id, epoch: epoch, first: first, events: batch.events.count, readings: batch.readings.count,
            since: batch.events.map(\.time).min() ?? committed, until: batch.events.map(\.time).max() ?? committed,
            committed: committed, codec: BlockBody.codec, crc: 0,
            body: try zstd.compress(BlockBody.encode(batch), level: 1))
        block.crc = block.checksum()
        return block
    }

    /// A block again with fewer or changed events, in its old place.
    /// - Parameter opened: at least one event.
    func encode(_ opened: OpenedBlock, insteadOf old: StoredBlock) throws(ZstdError) -> StoredBlock {
        var block = old
        block.events = opened.batch.events.count
        block.readings = opened.batch.readings.count
        var body = ByteWriter()
        if opened.sequences.isEmpty {
            block.codec = BlockBody.codec
        } else {
            block.codec = BlockBody.codecWithSequences
            block.last = old.end - 1
            BlockBody.write(opened.sequences, from: old.first, to: &body)
        }
        body.raw(BlockBody.encode(opened.batch))
        block.body = try zstd.compress(body.bytes, level: 1)
        block.crc = block.checksum()
        return block
    }

    public func decode(_ block: StoredBlock) throws(CorruptBlock) -> OpenedBlock {
        guard block.codec == BlockBody.codec || block.codec == BlockBody.codecWithSequences else {
            throw CorruptBlock(description: "codec \(block.codec) is not known")
        }
        guard block.crc == block.checksum() else { throw CorruptBlock(description: "the checksum does not match") }
        var opened = OpenedBlock(batch: Batch(), first: block.first, sequences: [])
        do {
            var reader = ByteReader(try zstd.expand(block.body, limit: Self.expandedLimit))
            if block.codec == BlockBody.codecWithSequences {
                opened.sequences = try BlockBody.readSequences(from: block.first, &reader)
            }
            opened.batch = try BlockBody.decode(&reader)
        } catch {
            throw CorruptBlock(description: "\(error)")
        }
        guard opened.batch.events.count == block.events,
            opened.sequences.isEmpty || opened.sequences.count == block.events
        else { throw CorruptBlock(description: "the events do not add up") }
        return opened
    }
}
