// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import SQLite
import TestSupport
import Testing

@testable import Outbox

@Suite("Encryption at rest")
struct EncryptionTests {
    private static let first = Data(repeating: 7, count: 32).base64EncodedString()
    private static let second = Data(repeating: 9, count: 32).base64EncodedString()

    private static func ring(_ keys: String...) throws -> KeyRing { try KeyRing(lines: keys.joined(separator: "\n")) }

    @Test("what is changed in a sealed block, or sealed to another, is noticed")
    func seal() throws {
        var random = SeededGenerator()
        let codec = BlockCodec(keys: try Self.ring(Self.first))
        let block = try codec.encode(
            .random(using: &random), lane: .normal, id: 7, epoch: 5, first: 100, committed: Timestamp(microseconds: 9))
        #expect(try codec.decode(block).batch.events.count == block.events)
        #expect(try codec.decode(block.renumbered(8)).batch.events.count == block.events)
        let changes: [(inout StoredBlock) -> Void] = [
            { $0.epoch += 1 }, { $0.first += 1 }, { $0.lane = .critical }, { $0.events += 1 },
            { $0.committed = Timestamp(microseconds: 8) }, { $0.keyID = 0 }, { $0.keyID += 1 },
            {
                $0.body[Int.random(in: 0..<$0.body.count, using: &random)] ^=
                    1 << UInt8.random(in: 0...7, using: &random)
            },
            { $0.body.removeAll() },
        ]
        for (number, change) in changes.enumerated() {
            var changed = block
            change(&changed)
            // Whoever changes a block on purpose makes its checksum right.
            changed.crc = changed.checksum()
            #expect(throws: CorruptBlock.self, "change \(number), seed \(random.seed)") { try codec.decode(changed) }
        }
        let other = BlockCodec(keys: try Self.ring(Self.second))
        #expect(throws: CorruptBlock.self) { try other.decode(block) }
    }

    @Test("the same events are sealed to other bytes each time")
    func nonces() throws {
        var random = SeededGenerator()
        let codec = BlockCodec(keys: try Self.ring(Self.first))
        let batch = Batch.random(using: &random)
        let bodies = try (0..<100).map { _ in
            try codec.encode(batch, lane: .normal, id: 7, epoch: 5, first: 100, committed: Timestamp(microseconds: 9))
                .body
        }
        #expect(Set(bodies).count == 100)
    }

    @Test("a file of keys that is not one is refused, with the line")
    func mistakes() throws {
        for (text, line) in [("", 1), ("# nothing\n\n", 1), ("\(Self.first)\nsecret", 2), ("c2hvcnQ=", 1)] {
            let mistake = #expect(throws: KeyRing.Mistake.self) { try KeyRing(lines: text) }
            #expect(mistake?.line == line, "\(text)")
        }
        #expect(try KeyRing(lines: "# since May\n  \(Self.first)\r\n").current == Self.ring(Self.first).current)
    }

    @Test("without its key the database is kept, told of, and sent once the key is back")
    func missingKey() async throws {
        let ward = try Ward()
        ward.keys = try Self.ring(Self.first)
        try await ward.fill(leavingLog: true)
        for keys in [try Self.ring(Self.second), .none] {
            ward.keys = keys
            #expect(try await ward.restart(isSound: false) > 300)
            #expect(FileManager.default.fileExists(atPath: ward.path("quarantine/1/outbox.db")))
        }
        ward.keys = try Self.ring(Self.second, Self.first)
        try await ward.checkRecovery(mostMissing: 0)
        #expect(ward.causes.isEmpty)
    }

    @Test("a key that is followed by another opens what it has sealed, and is needed no longer once that is sent")
    func rotation() async throws {
        let ward = try Ward()
        // Before there was any key, under the first, under the second.
        try await ward.fill(leavingLog: true)
        ward.keys = try Self.ring(Self.first)
        try await ward.fill(leavingLog: false)
        ward.keys = try Self.ring(Self.second, Self.first)
        #expect(try keys(ward).count == 1)
        try await ward.fill(leavingLog: true)
        #expect(try keys(ward).count == 2)
        try await ward.checkRecovery(mostMissing: 0)
        #expect(ward.causes.isEmpty)
        try await ward.close()
        // The other output still has everything to send.
        #expect(try keys(ward).count == 2)
        try await ward.receiveAll()
        ward.keys = try Self.ring(Self.second)
        #expect(try await ward.restart(isSound: true) == 0)
        #expect(try keys(ward) == [ward.keys.current])
    }

    private func keys(_ ward: Ward) throws -> [Int64] {
        try Database(path: ward.path("outbox.db")).keys()
    }

    @Test("a damaged database of sealed blocks is saved like any other")
    func damage() async throws {
        let ward = try Ward()
        ward.keys = try Self.ring(Self.first)
        try await ward.fill(leavingLog: false)
        try ward.damage("outbox.db") { bytes in
            for page in stride(from: 40, to: bytes.count / 4_096, by: 30) { bytes[page * 4_096 + 2_000] ^= 0x10 }
        }
        try await ward.checkRecovery(mostMissing: 8 * 20)
    }
}
