// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Logging
import SQLite
import TestSupport
import Testing

@testable import Outbox

// What is acknowledged while the disk takes nothing, and what an operator is told of losses.

extension OutboxTests {
    /// An outbox whose folder is gone and cannot be made again, as a file has its name.
    private func openWithoutDisk() async throws -> Outbox {
        let outbox = try open()
        try FileManager.default.removeItem(atPath: folder.path)
        try Data().write(to: URL(filePath: folder.path))
        return outbox
    }

    private func giveDiskBack(_ outbox: Outbox) async throws {
        try FileManager.default.removeItem(atPath: folder.path)
        await outbox.returnToDisk()
        #expect(await outbox.isSound)
    }

    /// Offers three batches of one event each, of sources that wait, and sends them; the second is refused.
    private func sendThree(_ outbox: Outbox, refusing: Bool) async throws -> [Receipt] {
        var receipts: [Receipt] = []
        for number in 1...3 {
            let receipt = Receipt()
            receipts.append(receipt)
            outbox.intake.offer(batch(number...number), .normal, receipt)
            await outbox.flush()
        }
        while let portion = await outbox.next(for: 0, bytes: 1, events: 1) {
            let block = portion.blocks[0]
            let letter = DeadLetter(
                epoch: block.epoch, lane: .normal, sequence: block.first, at: Timestamp(microseconds: 1),
                reason: "too large", event: batch(Int(block.first)...Int(block.first)))
            let isRefused = refusing && block.first == 2
            await outbox.settle(0, portion.stream, block, done: 1, dead: isRefused ? [letter] : [])
        }
        return receipts
    }

    @Test("while the disk fails what every output has is acknowledged")
    func acknowledgedFromMemory() async throws {
        let outbox = try await openWithoutDisk()
        let receipts = try await sendThree(outbox, refusing: false)
        #expect(await outbox.held.isEmpty)
        for receipt in receipts { #expect(await receipt.wait()) }
    }

    @Test(
        "while the disk fails what is refused is acknowledged once its dead letter is on the disk",
        arguments: [false, true])
    func refusedInMemory(isCommitted: Bool) async throws {
        let outbox = try await openWithoutDisk()
        let receipts = try await sendThree(outbox, refusing: true)
        // In memory the dead letter is committed, or about to be: neither survives a power cut.
        if isCommitted { await outbox.saveNow() }
        #expect(await outbox.held.count == 1)
        for receipt in [receipts[0], receipts[2]] { #expect(await receipt.wait()) }
        try await giveDiskBack(outbox)
        #expect(await receipts[1].wait())
        // From here on a power cut leaves the dead letter in the file.
        let cut = try TemporaryFolder()
        for name in ["/outbox.db", "/outbox.db-wal"] {
            try FileManager.default.copyItem(atPath: folder.path + name, toPath: cut.path + name)
        }
        let file = try Connection(path: cut.path + "/outbox.db")
        let count = try file.prepare("SELECT count(*),max(sequence) FROM dead")
        #expect(try count.step() && count.integer(0) == 1 && count.integer(1) == 2)
        #expect(try await outbox.status().backlogs.map(\.deadLetters) == [0, 1, 0])
    }

    @Test("what is refused while the disk fails is not acknowledged where the disk stays away")
    func refusedForEver() async throws {
        let outbox = try await openWithoutDisk()
        let receipts = try await sendThree(outbox, refusing: true)
        try await close(outbox)
        #expect(await receipts[1].wait() == false)
    }

    @Test("a loss is a warning with its cause and what to do, and stands in the status, also after a restart")
    func losses() async throws {
        let heard = HeardWarnings()
        var lost: UInt64 = 0
        do {
            let outbox = try Outbox(
                settings { $0.maxSize = 400_000 }, outputs: [OutboxOutput(name: "dead")], logger: .init(label: "test"),
                warnings: heard)
            #expect(try await outbox.status().losses.isEmpty)
            var random = SeededGenerator(fixed: 1)
            for number in 1...400 {
                // Noise, which does not compress.
                let noise = String(
                    (0..<2_000).map { _ in Character(Unicode.Scalar(UInt8.random(in: 33...126, using: &random))) })
                outbox.intake.offer(batch(number...number, filler: noise), .normal)
                await outbox.flush()
            }
            let losses = try await outbox.status().losses
            #expect(losses.map(\.output) == ["dead"] && losses.map(\.cause) == [.maxSize])
            lost = losses.first?.events ?? 0
            #expect(lost > 0)
            #expect(heard.counts == ["events_lost dead: max_size": Int(lost)])
            #expect(heard.advice.allSatisfy { $0.contains("headgate status") })
            try await close(outbox)
        }
        #expect(try await StoppedOutbox(settings()).status().losses.map(\.events) == [lost])
        #expect(try await open(["dead"]).status().losses.map(\.events) == [lost])
    }

    @Test("what is lost before it has a number is lost for every output")
    func shedLosses() async throws {
        let outbox = try open(["one", "two"])
        outbox.intake.lose(7, .normal, .tooManyDevices, at: .now)
        await outbox.flush()
        let losses = try await outbox.status().losses
        #expect(losses.map(\.output) == ["one", "two"] && losses.map(\.events) == [7, 7])
    }
}
