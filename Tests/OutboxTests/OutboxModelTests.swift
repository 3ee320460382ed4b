// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import TestSupport
import Testing

@testable import Outbox

/// Random steps against what must be so whatever their order: what is offered is committed, and what is committed
/// reaches each output, in its lane's order and always under the same name, or a gap says for whom it is lost.
@Suite("Outbox model")
struct OutboxModelTests {
    @Test(
        "whatever happens in whatever order, what is committed is sent or told as lost", arguments: [false, true],
        [Duration.milliseconds(5), .seconds(10)])
    func conservation(isSmall: Bool, freshFor: Duration) async throws {
        let model = try OutboxModel(maxSize: isSmall ? 150_000 : 1 << 30, freshFor: freshFor)
        for _ in 0..<1_500 where model.failures.isEmpty { try await model.step() }
        if model.failures.isEmpty { try await model.finish() }
        #expect(model.failures.isEmpty, "HEADGATE_SEED=\(model.random.seed)")
        // Or nothing was tried.
        #expect(model.restarts > 5 && model.crashes > 5)
        #expect(isSmall == (model.lost > 0))
        #expect(model.held > 5)
    }

    @Test(
        "a loss of a held topic is reported, also if its ranges were ahead of the other streams, by blocks or within one",
        arguments: [3_021_414_822_999_071_039, 17_881_073_635_750_797_669])
    func ahead(seed: UInt64) async throws {
        let model = try OutboxModel(maxSize: 150_000, freshFor: .seconds(10), seed: seed)
        for _ in 0..<1_500 where model.failures.isEmpty { try await model.step() }
        if model.failures.isEmpty { try await model.finish() }
        #expect(model.failures.isEmpty, "HEADGATE_SEED=\(model.random.seed)")
    }
}

/// An outbox and what is known of it from outside.
private final class OutboxModel {
    /// What an output has been given and told.
    private struct Received {
        var sequences: [Lane: Set<UInt64>] = [:]
        var lost: [Lane: Set<UInt64>] = [:]
        /// What comes next at the least, of fresh events and of the backlog, but for what a crash brings again.
        var next: [Way: UInt64] = [:]
    }

    private struct Way: Hashable {
        var lane: Lane
        var isBacklog: Bool
        /// Of a held range.
        var topic: Topic?
    }

    /// One event of a commit: its name's epoch and what it said.
    private struct Truth: Equatable {
        var epoch: UInt64
        var number: Int64?
    }

    private static let outputs = ["one", "two", "three"]
    private static let topics = (0..<3).map { Topic(name: "topic \($0)", template: "{map}") }

    var random: SeededGenerator
    var failures: [String] = []
    private(set) var restarts = 0
    private(set) var crashes = 0
    private(set) var held = 0
    var lost: Int { received.map { $0.lost.values.map(\.count).reduce(0, +) }.reduce(0, +) }

    private let folder: TemporaryFolder
    private let settings: OutboxSettings
    private let witness = Witness()
    private let codec = BlockCodec(keys: .none)
    private var outbox: Outbox?
    private var received = outputs.map { _ in Received() }
    /// Topics that each output's broker does not take now.
    private var refused = outputs.map { _ in Set<Topic>() }
    private var committed: [Lane: [UInt64: Truth]] = [:]
    private var offered: Set<Int64> = []
    private var lastNumber: Int64 = 0

    init(maxSize: Int64, freshFor: Duration, seed: UInt64? = nil) throws {
        random = SeededGenerator(fixed: seed)
        folder = try TemporaryFolder()
        var settings = OutboxSettings(folder: folder.path)
        settings.maxSize = maxSize
        settings.freshFor = freshFor
        self.settings = settings
        outbox = try open()
    }

    private func open() throws -> Outbox {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Outbox(settings, outputs: Self.outputs.map { OutboxOutput(name: $0) }, logger: logger) {
            [witness] commit in
            witness.note(commit)
        }
    }

    /// Leaves the outbox as it is and opens it again.
    private func reopen() async throws {
        await released(&outbox)
        outbox = try open()
    }

    func step() async throws {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<40: offer()
        case ..<62: try await commit()
        case ..<65: refuse()
        case ..<96: _ = try await send(to: Int.random(in: 0..<Self.outputs.count, using: &random))
        case ..<98: try await restart()
        default: try await crash()
        }
    }

    /// Sends everything, and looks whether that and what was told as lost is all there was.
    func finish() async throws {
        refused = refused.map { _ in [] }
        try await sendAll()
        // What is lost is told when it no longer grows, or at a stop.
        try await restart()
        try await sendAll()
        for output in Self.outputs.indices {
            for (lane, events) in committed {
                let known = (received[output].sequences[lane] ?? []).union(received[output].lost[lane] ?? [])
                let missing = Set(events.keys).subtracting(known)
                if let outbox, await !outbox.heldTopics(of: output).isEmpty {
                    failures.append("something is held for ever")
                }
                if let first = missing.min() {
                    failures.append("\(Self.outputs[output]) lacks \(missing.count) of \(lane), \(first) first")
                }
            }
        }
    }

    private func sendAll() async throws {
        for output in Self.outputs.indices {
            while failures.isEmpty, try await send(to: output) {}
        }
    }

    // MARK: Steps

    private func offer() {
        var batch = Batch()
        for _ in 0..<Int.random(in: 1...20, using: &random) {
            lastNumber += 1
            offered.insert(lastNumber)
            let time = Timestamp(microseconds: lastNumber)
            batch.readings.append(Reading(series: SeriesNumber(raw: 0), time: time, value: .integer(lastNumber)))
            // Digits that do not compress, so that a small outbox is soon full.
            let noise = (0..<8).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &random), radix: 36) }
            batch.readings.append(
                Reading(series: SeriesNumber(raw: 1), time: time, value: batch.text(noise.joined())))
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
        }
        outbox?.intake.offer(batch, Lane.allCases.randomElement(using: &random) ?? .normal)
    }

    private func commit() async throws {
        await outbox?.flush()
        try noteCommits()
    }

    private func noteCommits() throws {
        for commit in witness.take() {
            for (place, event) in commit.batch.events.enumerated() {
                let truth = Truth(epoch: commit.epoch, number: Self.number(event, commit.batch))
                let old = committed[commit.lane, default: [:]].updateValue(truth, forKey: commit.first + UInt64(place))
                if old != nil { failures.append("\(commit.lane) \(commit.first) was used twice") }
                if let number = truth.number { offered.remove(number) }
            }
        }
        if !offered.isEmpty { failures.append("\(offered.count) offered and not committed") }
    }

    /// Gives an output a window, of which its broker sometimes takes only a part.
    /// - Returns: whether there was anything.
    private func send(to output: Int) async throws -> Bool {
        let outbox = try #require(outbox)
        let waiting = Set(
            Lane.allCases.flatMap { lane in
                // A topic may be tried although it is still refused.
                refused[output].filter { _ in Bool.random(using: &random) }.map { HeldTopic(lane: lane, topic: $0) }
            })
        guard let portion = await outbox.next(for: output, bytes: 20_000, events: 50, without: waiting) else {
            return false
        }
        var held = portion.held
        for block in portion.blocks {
            let opened = try codec.decode(block)
            let start = block.id == portion.blocks[0].id ? portion.done : 0
            let count = opened.batch.events.count
            let takesAll = Int.random(in: 0..<4, using: &random) > 0
            let end = takesAll ? count : Int.random(in: start...count, using: &random)
            var left: [Topic: Int] = [:]
            var (taken, done) = (0, start)
            for place in start..<end {
                let topic = topic(opened.batch.events[place], opened.batch, block.lane)
                let isRefused = topic.map(refused[output].contains) ?? false
                if let wanted = portion.stream.topic {
                    if topic == wanted, isRefused { break }
                    if topic == wanted {
                        receive(output, portion.stream, block, place, opened)
                        taken += 1
                    }
                } else if let topic, isRefused || held.contains(topic) {
                    if !held.contains(topic) { await hold(topic, output, block.lane, &held) }
                    left[topic, default: 0] += 1
                } else {
                    receive(output, portion.stream, block, place, opened)
                }
                done = place + 1
            }
            if done > start || start == count {
                await outbox.settle(output, portion.stream, block, done: done, left: left, taken: taken)
            }
            if done < count { break }
        }
        return true
    }

    private func hold(_ topic: Topic, _ output: Int, _ lane: Lane, _ held: inout Set<Topic>) async {
        guard await outbox?.holdTopics([topic], of: output, lane) == true else {
            failures.append("too much is held")
            return
        }
        held.insert(topic)
        self.held += 1
        for isBacklog in [true, false] {
            received[output].next[Way(lane: lane, isBacklog: isBacklog, topic: topic)] = nil
        }
    }

    /// A topic of an output goes, or comes back.
    private func refuse() {
        let output = Int.random(in: 0..<Self.outputs.count, using: &random)
        guard let topic = Self.topics.randomElement(using: &random) else { return }
        if refused[output].remove(topic) == nil { refused[output].insert(topic) }
    }

    /// The topic of an event; nil of what is always taken: what concerns no device, and in a small outbox all that is critical,
    /// which would fill it and push out what tells of losses.
    private func topic(_ event: Batch.Event, _ batch: Batch, _ lane: Lane) -> Topic? {
        if settings.maxSize < 1 << 30, lane == .critical { return nil }
        return Self.number(event, batch).map { Self.topics[Int($0) % Self.topics.count] }
    }

    private func receive(
        _ output: Int, _ stream: Stream, _ block: StoredBlock, _ place: Int, _ opened: OpenedBlock
    ) {
        let (lane, sequence, batch) = (block.lane, opened.sequence(at: place), opened.batch)
        let truth = Truth(epoch: block.epoch, number: Self.number(batch.events[place], batch))
        if committed[lane]?[sequence] != truth {
            failures.append("\(lane) \(sequence) is not what was committed under this name")
        }
        if case .gap(let gap) = batch.events[place].detail, gap.outputs.contains(Self.outputs[output]) {
            received[output].lost[gap.lane, default: []].formUnion(gap.first...gap.last)
        }
        let way = Way(lane: lane, isBacklog: stream != .live, topic: stream.topic)
        if sequence < received[output].next[way] ?? 1 { failures.append("\(way) \(sequence) came out of order") }
        received[output].next[way] = sequence + 1
        received[output].sequences[lane, default: []].insert(sequence)
    }

    private static func number(_ event: Batch.Event, _ batch: Batch) -> Int64? {
        guard let reading = batch.readings[event.readings].first, case .integer(let number) = reading.value else {
            return nil
        }
        return number
    }

    private func restart() async throws {
        let run = Task { [outbox] in await outbox?.run() }
        run.cancel()
        await run.value
        try noteCommits()
        try await reopen()
        restarts += 1
    }

    /// What was not committed is gone, as is where the outputs were since the last commit.
    private func crash() async throws {
        offered.removeAll()
        try await reopen()
        for output in received.indices { received[output].next.removeAll() }
        crashes += 1
    }
}
