// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Logging
import SQLite
import TestSupport
import Testing

@testable import Outbox

@Suite("Outbox")
struct OutboxTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    func settings(_ change: (inout OutboxSettings) -> Void = { _ in }) -> OutboxSettings {
        var settings = OutboxSettings(folder: folder.path)
        // However long a test takes beside others.
        settings.freshFor = .seconds(3_600)
        change(&settings)
        return settings
    }

    func open(
        _ outputs: [String] = ["one"], inOrder: Bool = false, _ change: (inout OutboxSettings) -> Void = { _ in }
    ) throws -> Outbox {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Outbox(
            settings(change), outputs: outputs.map { OutboxOutput(name: $0, isInOrder: inOrder) }, logger: logger)
    }

    func batch(_ numbers: ClosedRange<Int>, filler: String = "") -> Batch {
        var batch = Batch()
        for number in numbers {
            let time = Timestamp(microseconds: Int64(number))
            batch.readings.append(
                Reading(series: SeriesNumber(raw: 0), time: time, value: .integer(Int64(number))))
            if !filler.isEmpty {
                batch.readings.append(
                    Reading(series: SeriesNumber(raw: 1), time: time, value: batch.text("\(number)\(filler)")))
            }
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
        }
        return batch
    }

    /// Everything an output has to send, and settles it.
    func drain(_ outbox: Outbox, _ output: Int = 0) async throws -> [(
        lane: Lane, sequence: UInt64, event: Batch
    )] {
        let codec = BlockCodec(keys: .none)
        var sent: [(lane: Lane, sequence: UInt64, event: Batch)] = []
        while let portion = await outbox.next(for: output, bytes: 1 << 20, events: 100) {
            let first = portion.blocks[0]
            let opened = try codec.decode(first)
            for (place, event) in opened.batch.events.enumerated().dropFirst(portion.done) {
                var one = Batch()
                one.append(event, of: opened.batch)
                sent.append((first.lane, opened.sequence(at: place), one))
            }
            await outbox.settle(output, portion.stream, first, done: first.events)
        }
        return sent
    }

    func numbers(_ sent: [(lane: Lane, sequence: UInt64, event: Batch)]) -> [Int64] {
        sent.compactMap { if case .integer(let number) = $0.event.readings.first?.value { number } else { nil } }
    }

    func close(_ outbox: Outbox) async throws {
        let run = Task { await outbox.run() }
        run.cancel()
        await run.value
    }

    func gaps(_ sent: [(lane: Lane, sequence: UInt64, event: Batch)]) -> [Gap] {
        sent.compactMap { sent in if case .gap(let gap) = sent.event.events[0].detail { gap } else { nil } }
    }

    @Test("what is committed is sent in order, once, and numbered without holes")
    func order() async throws {
        let outbox = try open()
        for part in [1...10, 11...11, 12...40] {
            outbox.intake.offer(batch(part), .normal)
            await outbox.flush()
        }
        let sent = try await drain(outbox)
        #expect(numbers(sent) == Array(1...40))
        #expect(sent.map(\.sequence) == Array(1...40))
        #expect(try await drain(outbox).isEmpty)
    }

    @Test("what is not settled is sent again after a restart, under the same names")
    func reopened() async throws {
        let epoch: UInt64
        do {
            let outbox = try open()
            epoch = outbox.epoch
            outbox.intake.offer(batch(1...10), .normal)
            await outbox.flush()
            let portion = try #require(await outbox.next(for: 0, bytes: 1 << 20, events: 100))
            await outbox.settle(0, portion.stream, portion.blocks[0], done: 4)
            try await close(outbox)
        }
        let outbox = try open()
        #expect(outbox.epoch != epoch)
        let portion = try #require(await outbox.next(for: 0, bytes: 1 << 20, events: 100))
        #expect(portion.done == 4)
        // Named as they were, whatever the epoch of this run.
        #expect(portion.blocks.first?.epoch == epoch)
        #expect(portion.blocks.first?.first == 1)
        outbox.intake.offer(batch(11...11), .normal)
        await outbox.flush()
        let sent = try await drain(outbox)
        // What is fresh does not wait for what was left.
        #expect(sent.map(\.sequence) == [11] + Array(5...10))
    }

    @Test("the critical lane goes first, and bulk does not starve")
    func lanes() async throws {
        let outbox = try open()
        for number in 1...20 {
            outbox.intake.offer(batch(number...number), .normal)
            outbox.intake.offer(batch((100 + number)...(100 + number)), .bulk)
            await outbox.flush()
        }
        outbox.intake.offer(batch(1_000...1_000), .critical)
        await outbox.flush()
        let sent = try await drain(outbox)
        #expect(sent.first?.lane == .critical)
        #expect(sent.count == 41)
        #expect(sent.prefix(12).contains { $0.lane == .bulk })
        for lane in Lane.allCases {
            let sequences = sent.filter { $0.lane == lane }.map(\.sequence)
            #expect(sequences == sequences.sorted())
        }
    }

    @Test("an output that is slow holds nothing back from another, and loses nothing by it")
    func twoOutputs() async throws {
        let outbox = try open(["fast", "slow"])
        outbox.intake.offer(batch(1...5), .normal)
        await outbox.flush()
        #expect(numbers(try await drain(outbox, 0)) == Array(1...5))
        outbox.intake.offer(batch(6...9), .normal)
        await outbox.flush()
        #expect(numbers(try await drain(outbox, 0)) == Array(6...9))
        #expect(numbers(try await drain(outbox, 1)) == Array(1...9))
    }

    @Test("a second gateway on the same folder is refused with a reason")
    func secondInstance() throws {
        let first = try open()
        #expect(throws: OutboxError.self) { try open() }
        do {
            _ = try open()
        } catch let error as OutboxError {
            #expect(error.kind == .inUse)
        }
        withExtendedLifetime(first) {}
    }

    @Test("an output that is left out for a while loses nothing by it")
    func parkedOutput() async throws {
        for (outputs, numbers) in [(["o", "q"], 1...3), (["o"], 4...6), (["o"], 7...9)] {
            let outbox = try open(outputs)
            outbox.intake.offer(batch(numbers), .normal)
            await outbox.flush()
            _ = try await drain(outbox, 0)
            try await close(outbox)
        }
        #expect(self.numbers(try await drain(try open(["o", "q"]), 1)) == Array(1...9))
    }

    @Test("a dead letter is kept with its reason, and the cursor goes on")
    func deadLetters() async throws {
        do {
            let outbox = try open()
            outbox.intake.offer(batch(1...3), .normal)
            await outbox.flush()
            let portion = try #require(await outbox.next(for: 0, bytes: 1 << 20, events: 100))
            let letter = DeadLetter(
                epoch: outbox.epoch, lane: .normal, sequence: 2, at: Timestamp(microseconds: 1), reason: "too large",
                event: batch(2...2))
            await outbox.settle(0, portion.stream, portion.blocks[0], done: 3, dead: [letter])
            #expect(try await outbox.status().backlogs.map(\.deadLetters) == [0, 1, 0])
            try await close(outbox)
        }
        let status = try await StoppedOutbox(settings()).status()
        #expect(status.backlogs.map(\.deadLetters) == [0, 1, 0])
        #expect(status.backlogs.allSatisfy { $0.waiting == 0 })
    }

    @Test("what rules know is there after a crash, as it was at the last commit, and sealed where the outbox is")
    func rules() async throws {
        let key = try KeyRing(lines: Data(repeating: 7, count: 32).base64EncodedString())
        let large = Array("the pulse of bed 7".utf8) + (0..<9_000_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
        for keys in [.none, key] {
            for (bytes, isKept) in [(Array("an older one".utf8), true), (large, true), ([1], false)] {
                let outbox = try open { $0.keys = keys }
                outbox.keep(ruleState: bytes, notes: 0)
                if isKept { await outbox.flush() }
            }
            #expect(try open { $0.keys = keys }.takeRules()?.state == large)
            let file = try Data(contentsOf: URL(filePath: folder.path + "/outbox.db"))
            #expect((file.range(of: Data("pulse of bed".utf8)) == nil) == (keys.current != KeyRing.none.current))
        }
        // Without the key it is not known, and nothing else fails.
        #expect(try open().takeRules()?.state == nil)
    }

    @Test("what is noted for rules is kept with what comes after it, and a state with all that was offered before it")
    func notes() async throws {
        do {
            let outbox = try open { $0.limits.age = PerLane(repeating: .seconds(3_600)) }
            outbox.note(ruleReadings: [1])
            outbox.note(ruleReadings: [2])
            outbox.intake.offer(batch(1...1), .critical)
            outbox.keep(ruleState: [7], notes: 1)
            let run = Task { await outbox.run() }
            // Other suites may keep every thread busy for long.
            let deadline = ContinuousClock.now + .seconds(300)
            while await outbox.ruleState != nil, .now < deadline { await Task.yield() }
            #expect(try await outbox.status().lanes.map(\.next) == [2, 1, 1])
            run.cancel()
            await run.value
        }
        let kept = try #require(try open().takeRules())
        #expect(kept.state == [7] && kept.notes == [[2]])
    }

    @Test("dead letters have room of their own: the oldest go and are told, what waits to be sent stays")
    func manyDeadLetters() async throws {
        var kept = 0
        do {
            var random = SeededGenerator(fixed: 1)
            let outbox = try open(["one", "two"]) { $0.maxSize = 400_000 }
            for number in 1...100 {
                // Noise, which does not compress.
                let noise = String(
                    (0..<2_000).map { _ in Character(Unicode.Scalar(UInt8.random(in: 33...126, using: &random))) })
                outbox.intake.offer(batch(number...number, filler: noise), .normal)
                await outbox.flush()
                let portion = try #require(await outbox.next(for: 0, bytes: 1, events: 1))
                let letter = DeadLetter(
                    epoch: outbox.epoch, lane: .normal, sequence: UInt64(number), at: Timestamp(microseconds: 1),
                    reason: "too large", event: batch(number...number, filler: noise))
                await outbox.settle(0, portion.stream, portion.blocks[0], done: 1, dead: [letter])
            }
            await outbox.flush()
            kept = try await outbox.status().backlogs.filter { $0.output == "one" }.map(\.deadLetters)[1]
            #expect((1...30).contains(kept))
            try await close(outbox)
        }
        let sent = try await drain(try open(["one", "two"]), 1)
        #expect(numbers(sent) == Array(1...100))
        let told = gaps(sent).filter { $0.cause == .deadLetters && $0.outputs == ["one"] }
        #expect(told.map(\.count).reduce(0, +) == UInt64(100 - kept))
    }

    @Test("a source that waits is told once its batch is committed, and not before")
    func receipts() async throws {
        let outbox = try open()
        let receipt = Receipt()
        outbox.intake.offer(batch(1...3), .normal, receipt)
        outbox.intake.offer(batch(4...4), .critical, receipt)
        let run = Task { await outbox.run() }
        #expect(await receipt.wait())
        #expect(try await outbox.status().lanes.map(\.next) == [2, 4, 1])
        run.cancel()
        await run.value
    }

    @Test("without a commit a receipt is never good")
    func failedReceipt() async throws {
        let receipt = Receipt()
        receipt.expect()
        receipt.settle(isSafe: false)
        #expect(await receipt.wait() == false)
    }

    @Test("what comes faster than it can be stored is shed, counted and told")
    func shed() async throws {
        let outbox = try open { $0.limits.waiting = PerLane(repeating: 10_000) }
        for start in stride(from: 1, to: 200, by: 20) { outbox.intake.offer(batch(start...(start + 19)), .normal) }
        #expect(outbox.intake.shedReadings > 0)
        await outbox.flush()
        let kept = numbers(try await drain(outbox)).count
        #expect(kept + outbox.intake.shedReadings == 200)
    }

    @Test("an output that is added later gets what is still there")
    func addedOutput() async throws {
        do {
            let outbox = try open(["one"])
            outbox.intake.offer(batch(1...3), .normal)
            await outbox.flush()
        }
        let outbox = try open(["one", "two"])
        #expect(numbers(try await drain(outbox, 1)) == [1, 2, 3])
    }

    @Test("devices and series keep their numbers and descriptions over a restart")
    func catalog() async throws {
        let device = Device(id: "meter", map: "m", mapVersion: 2, tags: [.init(name: "line", value: "A")])
        let (deviceNumber, seriesNumber): (DeviceNumber, SeriesNumber)
        do {
            let outbox = try open()
            deviceNumber = outbox.catalog.number(of: device)
            seriesNumber = outbox.catalog.number(
                of: Series(device: deviceNumber, point: "v", unit: "V", lane: .critical))
            outbox.intake.offer(batch(1...1), .normal)
            await outbox.flush()
        }
        let outbox = try open()
        #expect(outbox.catalog.contents[deviceNumber] == device)
        #expect(outbox.catalog.contents[seriesNumber]?.lane == .critical)
        #expect(outbox.catalog.number(of: device) == deviceNumber)
        var changed = device
        changed.mapVersion = 3
        #expect(outbox.catalog.number(of: changed) != deviceNumber)
    }

    @Test("a file of a newer version is refused and left alone")
    func newer() throws {
        do { _ = try open() }
        do { try Connection(path: folder.path + "/outbox.db").execute("CREATE TABLE more(a); PRAGMA user_version=99") }
        for _ in 0..<2 {
            do {
                _ = try open()
                Issue.record("opened")
            } catch let error as OutboxError {
                #expect(error.kind == .newer)
                #expect(error.description.contains("use the newer one"))
            }
        }
        #expect(try Connection(path: folder.path + "/outbox.db").integer("PRAGMA user_version") == 99)
    }
}
