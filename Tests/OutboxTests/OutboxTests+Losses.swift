// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Logging
import SQLite
import TestSupport
import Testing

@testable import Outbox

// What goes, by its size, its age or damage, and that it is told.

extension OutboxTests {
    /// Fills an outbox of 400 kB with about 640 kB for an output that takes nothing, and closes it.
    private func overfill() async throws {
        let outbox = try open(["dead"]) { $0.maxSize = 400_000 }
        var random = SeededGenerator(fixed: 1)
        for start in stride(from: 1, through: 800, by: 20) {
            var part = Batch()
            for number in start..<(start + 20) {
                // Texts that do not compress.
                let noise = String(
                    (0..<800).map { _ in Character(Unicode.Scalar(UInt8.random(in: 33...126, using: &random))) })
                part.append(batch(number...number, filler: noise))
            }
            outbox.intake.offer(part, .normal)
            await outbox.flush()
        }
        #expect(try await outbox.status().bytes < 500_000)
        try await close(outbox)
    }

    @Test("beyond its size the oldest go, and a gap says which, for whom and how many")
    func eviction() async throws {
        try await overfill()
        let sent = try await drain(try open(["dead"]))
        let gap = try #require(gaps(sent).first)
        #expect(gaps(sent).count == 1)
        #expect(gap.cause == .maxSize && gap.lane == .normal && gap.outputs == ["dead"])
        #expect(gap.first == 1 && gap.count == gap.last)
        // Lost and left make up all there was.
        #expect(sent.filter { $0.lane == .normal }.map(\.sequence) == Array((gap.last + 1)...800))
    }

    @Test("what is older than its age goes, and a gap says so")
    func tooOld() async throws {
        do {
            let outbox = try open(["dead"]) { $0.maxAge = 1 }
            for number in 1...5 {
                outbox.intake.offer(batch(number...number), .normal)
                await outbox.flush()
            }
            try await close(outbox)
        }
        let sent = try await drain(try open(["dead"]))
        #expect(gaps(sent).map(\.cause) == [.maxAge])
        #expect(gaps(sent).first.map { $0.first...$0.last } == 1...4)
    }

    @Test("a loss is announced once, and not again after a restart")
    func announcedOnce() async throws {
        try await overfill()
        for round in 0..<2 {
            let outbox = try open(["dead"])
            #expect(gaps(try await drain(outbox)).count == (round == 0 ? 1 : 0))
            try await close(outbox)
        }
    }

    @Test("a database that is gone is missed: a new epoch, and a gap that says so")
    func databaseLost() async throws {
        let epoch: UInt64
        do {
            let outbox = try open()
            epoch = outbox.epoch
            outbox.intake.offer(batch(1...3), .normal)
            await outbox.flush()
        }
        for name in ["outbox.db", "outbox.db-wal"] {
            try? FileManager.default.removeItem(atPath: folder.path + "/" + name)
        }
        let outbox = try open()
        #expect(outbox.epoch != epoch)
        outbox.intake.offer(batch(4...4), .normal)
        await outbox.flush()
        let sent = try await drain(outbox)
        #expect(gaps(sent).map(\.cause) == [.databaseLost])
        #expect(numbers(sent) == [4])
    }

    @Test("a damaged block is skipped and told, the others are sent")
    func damagedBlock() async throws {
        let outbox = try open()
        await addThreeBlocks(to: outbox)
        var portion = try #require(await outbox.next(for: 0, bytes: 1 << 20, events: 1))
        await outbox.settle(0, portion.stream, portion.blocks[0], done: 3)
        portion = try #require(await outbox.next(for: 0, bytes: 1 << 20, events: 1))
        await outbox.skip(0, portion.stream, portion.blocks[0])
        #expect(numbers(try await drain(outbox)) == [7, 8, 9])
        #expect(try await outbox.status().backlogs.allSatisfy { $0.waiting == 0 })
    }

    @Test("an old copy of the database that is put back does not make two events of one name")
    func oldCopy() async throws {
        let files = FileManager.default
        try await close(try open())
        try files.copyItem(atPath: folder.path + "/outbox.db", toPath: folder.path + "/copy")
        var contents: [String: [Int64]] = [:]
        for part in [1...3, 4...6] {
            do {
                let outbox = try open()
                outbox.intake.offer(batch(part), .normal)
                await outbox.flush()
                let portion = try #require(await outbox.next(for: 0, bytes: 1 << 20, events: 100))
                let codec = BlockCodec(keys: .none)
                for block in portion.blocks {
                    let numbers = try codec.decode(block).batch.readings.map(\.time.microseconds)
                    #expect(contents.updateValue(numbers, forKey: "\(block.epoch)/\(block.first)") == nil)
                }
                try await close(outbox)
            }
            try? files.removeItem(atPath: folder.path + "/outbox.db-wal")
            try files.removeItem(atPath: folder.path + "/outbox.db")
            try files.copyItem(atPath: folder.path + "/copy", toPath: folder.path + "/outbox.db")
        }
        #expect(contents.count == 2)
    }

    /// Three blocks of three events each.
    private func addThreeBlocks(to outbox: Outbox) async {
        for part in [1...3, 4...6, 7...9] {
            outbox.intake.offer(batch(part), .normal)
            await outbox.flush()
        }
    }

    @Test(
        "the loss of a block whose own number is damaged is reported by what its neighbours say",
        arguments: ["first=first+1", "first=first+50", "first=1", "events=1", "last=100"])
    func damagedNumber(damage: String) async throws {
        do {
            let outbox = try open()
            await addThreeBlocks(to: outbox)
            try await close(outbox)
        }
        do {
            let connection = try Connection(path: folder.path + "/outbox.db")
            try connection.execute("UPDATE block_1 SET \(damage) WHERE id=1001; PRAGMA wal_checkpoint(TRUNCATE)")
        }
        do {
            let outbox = try open()
            let codec = BlockCodec(keys: .none)
            for _ in 0..<3 {
                let portion = try #require(await outbox.next(for: 0, bytes: 1, events: 1))
                let block = portion.blocks[0]
                if (try? codec.decode(block)) == nil {
                    await outbox.skip(0, portion.stream, block)
                } else {
                    await outbox.settle(0, portion.stream, block, done: block.events)
                }
            }
            // What is lost is reported at a stop.
            try await close(outbox)
        }
        let told = gaps(try await drain(try open())).filter { $0.cause == .corruptBlock }
        // Rather too much than too little.
        #expect(told.count == 1 && told[0].first <= 4 && told[0].last == 6 && told[0].count >= 3, "\(told)")
    }

    @Test("columns damaged on the disk are a block to skip, not a trap")
    func damagedColumns() async throws {
        for damage in ["events=-28", "first=-5", "events=4611686018427387904", "done"] {
            let folder = try TemporaryFolder()
            func open() throws -> Outbox {
                var logger = Logger(label: "test")
                logger.logLevel = .critical
                return try Outbox(
                    OutboxSettings(folder: folder.path), outputs: [OutboxOutput(name: "one")], logger: logger)
            }
            do {
                let outbox = try open()
                await addThreeBlocks(to: outbox)
                try await close(outbox)
            }
            do {
                let connection = try Connection(path: folder.path + "/outbox.db")
                let change =
                    damage == "done"
                    ? "UPDATE cursor SET block=1001, done=99" : "UPDATE block_1 SET \(damage) WHERE id=1001"
                // A log that another has written is put aside.
                try connection.execute("\(change); PRAGMA wal_checkpoint(TRUNCATE)")
            }
            let outbox = try open()
            let codec = BlockCodec(keys: .none)
            var seen = 0
            while let portion = await outbox.next(for: 0, bytes: 1, events: 1), seen < 10 {
                seen += 1
                let block = portion.blocks[0]
                if (try? codec.decode(block)) == nil {
                    await outbox.skip(0, portion.stream, block)
                } else {
                    await outbox.settle(0, portion.stream, block, done: block.events)
                }
            }
            #expect(seen == 3, "\(damage)")
            _ = try await outbox.status()
        }
    }
}
