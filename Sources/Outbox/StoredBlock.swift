// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Zstd

/// The events of one commit in one lane, as they lie in the outbox.
public struct StoredBlock: Sendable {
    public var lane: Lane
    public var id: Int64
    /// The epoch its events were named in.
    public var epoch: UInt64
    /// The sequence number of its first event; the others follow.
    public var first: UInt64
    public var events: Int
    public var readings: Int
    public var since: Timestamp
    public var until: Timestamp
    public var committed: Timestamp
    var codec: Int64
    var crc: UInt32
    var body: [UInt8]

    /// The sequence number after its last event.
    var end: UInt64 { first + UInt64(events) }

    /// Over the columns too, so that a body cannot be taken for another's.
    func checksum() -> UInt32 {
        var header = ByteWriter()
        header.byte(lane.rawValue)
        for number in [
            id, Int64(bitPattern: epoch), Int64(bitPattern: first), Int64(events), Int64(readings),
            committed.microseconds, codec,
        ] {
            header.zigzag(number)
        }
        var checksum = CRC32C()
        checksum.add(header.bytes)
        checksum.add(body)
        return checksum.value
    }
}

/// A block that no longer is what was written.
public struct CorruptBlock: Error, Equatable, CustomStringConvertible {
    public let description: String
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

    public func decode(_ block: StoredBlock) throws(CorruptBlock) -> Batch {
        guard block.codec == BlockBody.codec else {
            throw CorruptBlock(description: "codec \(block.codec) is not known")
        }
        guard block.crc == block.checksum() else { throw CorruptBlock(description: "the checksum does not match") }
        let batch: Batch
        do {
            batch = try BlockBody.decode(zstd.expand(block.body, limit: Self.expandedLimit))
        } catch {
            throw CorruptBlock(description: "\(error)")
        }
        guard batch.events.count == block.events else { throw CorruptBlock(description: "the events do not add up") }
        return batch
    }
}
