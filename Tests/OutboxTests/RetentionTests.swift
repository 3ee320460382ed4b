// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import TestSupport
import Testing

@testable import Outbox

@Suite("Retention")
struct RetentionTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func open(_ policy: OutboxSettings.WhenFull) throws -> Outbox {
        var settings = OutboxSettings(folder: folder.path)
        // However long a test takes beside others.
        settings.freshFor = .seconds(3_600)
        settings.maxSize = 300_000
        settings.whenFull[.normal] = policy
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Outbox(settings, outputs: [OutboxOutput(name: "one")], logger: logger)
    }

    /// Numbers, and beside each a text that does not compress.
    private func batch(_ numbers: ClosedRange<Int>, _ random: inout SeededGenerator) -> Batch {
        var batch = Batch()
        for number in numbers {
            let time = Timestamp(microseconds: Int64(number) * 1_000_000)
            batch.readings.append(Reading(series: SeriesNumber(raw: 0), time: time, value: .integer(Int64(number))))
            let noise = (0..<40).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &random), radix: 36) }
            batch.readings.append(Reading(series: SeriesNumber(raw: 1), time: time, value: batch.text(noise.joined())))
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
        }
        return batch
    }

    private func drain(_ outbox: Outbox) async throws -> [(lane: Lane, sequence: UInt64, event: Batch.Event, of: Batch)]
    {
        let codec = BlockCodec(keys: .none)
        var sent: [(lane: Lane, sequence: UInt64, event: Batch.Event, of: Batch)] = []
        while let portion = await outbox.next(for: 0, bytes: 1, events: 1) {
            let opened = try codec.decode(portion.blocks[0])
            for (place, event) in opened.batch.events.enumerated() {
                sent.append((portion.blocks[0].lane, opened.sequence(at: place), event, opened.batch))
            }
            await outbox.settle(0, portion.stream, portion.blocks[0], done: opened.batch.events.count)
        }
        return sent
    }

    private func close(_ outbox: Outbox) async {
        let run = Task { await outbox.run() }
        run.cancel()
        await run.value
    }

    private func gaps(_ sent: [(lane: Lane, sequence: UInt64, event: Batch.Event, of: Batch)]) -> [Gap] {
        sent.compactMap { if case .gap(let gap) = $0.event.detail { gap } else { nil } }
    }

    @Test(
        "a lane that drops the newest keeps what it has, takes again when there is room, and tells what it did not take"
    )
    func dropNewest() async throws {
        var random = SeededGenerator()
        let outbox = try open(.dropNewest)
        var taken = 0
        for start in stride(from: 1, through: 2_000, by: 20) {
            if outbox.intake.offer(batch(start...(start + 19), &random), .normal) { taken += 20 }
            await outbox.flush()
        }
        #expect(taken < 1_500)
        let before = try await drain(outbox).filter { $0.lane == .normal }
        #expect(before.map(\.sequence) == (1...taken).map(UInt64.init))
        // Its cursor's commits give the room back.
        for _ in 0..<30 {
            outbox.intake.offer(batch(5_000...5_000, &random), .critical)
            await outbox.flush()
        }
        #expect(outbox.intake.offer(batch(3_000...3_019, &random), .normal))
        await outbox.flush()
        _ = try await drain(outbox)
        await close(outbox)
    }

    @Test("a lane that pauses takes nothing from a poll and lets a source wait until there is room")
    func pause() async throws {
        var random = SeededGenerator()
        let outbox = try open(.pause)
        var isTaken = true
        var start = 1
        while isTaken, start < 10_000 {
            isTaken = outbox.intake.offer(batch(start...(start + 19), &random), .normal)
            await outbox.flush()
            start += 20
        }
        #expect(!isTaken)
        let receipt = Receipt()
        outbox.intake.offer(batch(20_000...20_000, &random), .normal, receipt)
        // It is in no commit while the lane is paused.
        let next = try await outbox.status().lanes[1].next
        outbox.intake.offer(batch(5_000...5_000, &random), .critical)
        let run = Task { await outbox.run() }
        _ = try await drain(outbox)
        #expect(try await outbox.status().lanes[1].next >= next)
        #expect(await receipt.wait())
        run.cancel()
        await run.value
    }

    @Test(
        "a lane that thins keeps the least, the greatest and the last of each interval, and tells how many it changed")
    func thin() async throws {
        var random = SeededGenerator()
        try await fillWithNumbers(3_000, &random)
        let outbox = try open(.thin)
        // What the last commit of a run lets go is told with the first of the next.
        outbox.intake.offer(batch(9_000...9_000, &random), .critical)
        await outbox.flush()
        let sent = try await drain(outbox)
        let told = gaps(sent).filter { $0.cause == .thinned }
        #expect(told.contains { $0.count > 0 && $0.outputs == ["one"] })
        let kept = Set(
            sent.flatMap { one in one.of.readings[one.event.readings].filter { $0.series.raw == 0 } }.compactMap {
                if case .integer(let number) = $0.value { number } else { nil }
            })
        #expect(kept.count < 2_500)
        // Numbers rise by one a second, so an interval's greatest is its last.
        let lost = gaps(sent).filter { $0.cause == .maxSize }.map { Int64($0.last) }.max() ?? 0
        for gap in told {
            for number in Int64(gap.first)...Int64(gap.last) where number > lost && number % 60 == 59 {
                #expect(kept.contains(number), "\(number), HEADGATE_SEED=\(random.seed)")
            }
        }
        let sequences = sent.filter { $0.lane == .normal }.map(\.sequence)
        #expect(sequences == sequences.sorted())
        // Thinned, three thousand fit where half as many would.
        #expect(lost < 1_500)
    }

    /// A number that rises and twenty that do not compress, each second.
    private func fillWithNumbers(_ count: Int, _ random: inout SeededGenerator) async throws {
        let outbox = try open(.thin)
        for start in stride(from: 1, through: count, by: 20) {
            var batch = Batch()
            for number in start..<(start + 20) {
                let time = Timestamp(microseconds: Int64(number) * 1_000_000)
                batch.readings.append(
                    Reading(series: SeriesNumber(raw: 0), time: time, value: .integer(Int64(number))))
                for series in Int32(1)...20 {
                    batch.readings.append(
                        Reading(
                            series: SeriesNumber(raw: series), time: time,
                            value: .number(Double.random(in: 0...1, using: &random))))
                }
                batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
            }
            outbox.intake.offer(batch, .normal)
            await outbox.flush()
        }
        await close(outbox)
    }

    @Test("thinning keeps the shape of any series")
    func shape() throws {
        var random = SeededGenerator()
        for _ in 0..<50 {
            var blocks: [OpenedBlock] = []
            var readings: [Reading] = []
            var time: Int64 = 0
            var sequence: UInt64 = 1
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                var batch = Batch()
                let first = sequence
                for _ in 0..<Int.random(in: 1...30, using: &random) {
                    time += Int64.random(in: 1...3_000_000, using: &random)
                    let reading = Reading(
                        series: SeriesNumber(raw: Int32.random(in: 0..<3, using: &random)),
                        time: Timestamp(microseconds: time), value: .number(Double.random(in: -5...5, using: &random)))
                    readings.append(reading)
                    batch.readings.append(reading)
                    batch.closeTelemetry(device: DeviceNumber(raw: 0), time: reading.time)
                    sequence += 1
                }
                blocks.append(OpenedBlock(batch: batch, first: first, sequences: []))
            }
            var thinning = Thinning(interval: 10_000_000)
            for block in blocks { thinning.look(at: block.batch) }
            let thin = blocks.enumerated().map { thinning.thinned($1, number: $0).opened }
            let kept = thin.flatMap(\.batch.readings)
            for (series, interval) in Set(readings.map { "\($0.series.raw) \($0.time.microseconds / 10_000_000)" }).map(
                {
                    ($0.split(separator: " ")[0], $0.split(separator: " ")[1])
                })
            {
                let isIn = { (one: Reading) in
                    "\(one.series.raw)" == series && "\(one.time.microseconds / 10_000_000)" == interval
                }
                let (all, some) = (readings.filter(isIn), kept.filter(isIn))
                let values = { (ones: [Reading]) in ones.compactMap(\.value.asNumber) }
                #expect(values(all).min() == values(some).min() && values(all).max() == values(some).max())
                #expect(all.last == some.last)
                #expect(some.count <= 4)
            }
            // Each keeps its name.
            for (block, old) in zip(thin, blocks) {
                for (place, event) in block.batch.events.enumerated() {
                    let before = old.batch.events[Int(block.sequence(at: place) - old.first)]
                    #expect(before.time == event.time)
                }
            }
        }
    }

    @Test("what was committed within ten seconds is fresh, by a clock that does not jump")
    func fresh() {
        let start = ContinuousClock.now
        var fresh = FreshBlocks(age: .seconds(10))
        fresh.begin(.normal, at: 100, now: start)
        func block(_ id: Int64) -> StoredBlock {
            StoredBlock(
                lane: .normal, id: id, epoch: 1, first: 1, events: 1, readings: 0, since: Timestamp(microseconds: 0),
                until: Timestamp(microseconds: 0), committed: Timestamp(microseconds: 0), codec: 1, crc: 0, body: [])
        }
        for second in 0..<60 { fresh.add(block(100 + Int64(second)), now: start + .seconds(second)) }
        let first = fresh.first(.normal, end: 160, now: start + .seconds(60))
        #expect((150...151).contains(first))
        #expect(fresh.first(.normal, end: 160, now: start + .seconds(75)) == 160)
        #expect(fresh.first(.critical, end: 7, now: start) == 7)
    }

    @Test("a backlog is split off once, grows in place, and is done with when it is sent")
    func splits() {
        var position = Position()
        position.split(at: 50)
        #expect(position.live == Cursor(block: 50, done: 0))
        position.split(at: 60)
        #expect(position.backlog == [BacklogRange(cursor: .start, until: 60, isReady: true)])
        position.move(.backlog(until: 50), to: Cursor(block: 20, done: 3))
        position.move(.backlog(until: 60), to: Cursor(block: 10, done: 0))
        #expect(position.needed() == 20)
        position.move(.live, to: Cursor(block: 61, done: 0))
        position.split(at: 70)
        #expect(position.backlog.map(\.until) == [60, 70])
        position.move(.backlog(until: 60), to: Cursor(block: 60, done: 0))
        #expect(position.backlog.map(\.until) == [70])
    }

    @Test("a dead letter that is sent again while older blocks are being saved is done with once it is sent")
    func retryBesideSalvage() {
        var position = Position()
        let waiting = BacklogRange(cursor: .start, until: 2_000, isReady: false)
        position.backlog = [waiting, BacklogRange(cursor: Cursor(block: 999, done: 0), until: 1_000, isReady: true)]
        position.move(.backlog(until: 1_000), to: Cursor(block: 1_000, done: 0))
        #expect(position.backlog == [waiting])
    }
}
