// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import Metrics
import Outbox
import Outputs
import Synchronization
import Waiting

/// From the outbox to one output.
///
///     outbox ─▶ batch of blocks ─▶ render ─▶ output ─▶ broker
///        ▲                                      │
///        └───────────── settle ◀────────────────┘
///
/// One batch is under way at a time, which keeps the order and makes a failure simple: what is not settled is sent
/// again, with the same ids.
final class Forwarder: Sendable {
    struct State {
        var isUp = true
        var lastError: String?
        var acknowledgedReadings = 0
        var acknowledgedEvents = 0
        var deadLetters = 0
        var retries = 0
        /// Lanes whose next event has a schema that the registry has not numbered yet.
        fileprivate var schemaWaits: [Lane: Wait] = [:]
        /// Topics that the broker refused.
        fileprivate var topicWaits: [HeldTopic: Wait] = [:]
    }

    fileprivate struct Wait {
        var backoff = Backoff(base: .milliseconds(250), cap: .seconds(5))
        /// The time of the next try; nil during a try.
        var until: ContinuousClock.Instant?
        /// Why a schema has no number; the reason of a topic is in its warning.
        var error: String?
    }

    let name: String
    private let index: Int
    private let outbox: Outbox
    private let output: any Output
    private let logger: Logger
    private let measures: ForwarderMeasures
    private let state = Mutex(State())
    private let isDraining = Atomic<Bool>(false)
    private let renderer: Renderer
    private let pace: ForwarderPace
    private let warnings: any WarningSink

    /// - Parameters:
    ///   - index: the output's place in the outbox's list.
    ///   - pace: critical events count and do not wait.
    init(
        name: String, index: Int, outbox: Outbox, output: any Output, renderer: Renderer, pace: ForwarderPace,
        warnings: any WarningSink, logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "output"] = "\(name)"
        self.name = name
        self.index = index
        self.outbox = outbox
        self.output = output
        self.renderer = renderer
        self.pace = pace
        self.warnings = warnings
        self.logger = logger
        measures = ForwarderMeasures(output: name)
    }

    var status: State {
        var status = state.withLock { $0 }
        if let trouble = output.trouble ?? status.schemaWaits.values.lazy.compactMap(\.error).first {
            (status.isUp, status.lastError) = (false, trouble)
        }
        return status
    }

    /// Lets `run` return once nothing waits any more.
    func drain() {
        isDraining.store(true, ordering: .relaxed)
        outbox.bells[index].ring()
    }

    /// Forwards until the task is cancelled.
    func run() async {
        var renderer = renderer
        let codec = BlockCodec(keys: outbox.settings.keys)
        // A link that is back after hours is used within a second; a try a second costs a broker little.
        var backoff = Backoff(base: .milliseconds(250), cap: .seconds(1))
        var pace = pace
        // Bytes of the last batch, which the next one is likely to have.
        var rendered = 0
        await output.resume(after: outbox.marks(of: index))
        while !Task.isCancelled {
            let (schemaWaits, topicWaits) = state.withLock { ($0.schemaWaits, $0.topicWaits) }
            if topicWaits.values.contains(where: \.isOver) { await forgetReleasedTopics() }
            let isDraining = isDraining.load(ordering: .relaxed)
            let now = ContinuousClock.now
            let lanes = pace.lanes(isLast: isDraining, at: now)
            let portion = await outbox.next(
                for: index, bytes: OutgoingBatch.portionBytes, events: min(OutgoingBatch.mostEvents, pace.window),
                of: lanes.filter { schemaWaits[$0]?.isOver ?? true },
                without: Set(topicWaits.filter { !$0.value.isOver }.keys))
            guard let portion else {
                if isDraining { break }
                pace.isThrough(at: now)
                // A topic whose turn has come has nothing to send now.
                let topics = topicWaits.values.filter { !$0.isOver }.map(\.until)
                let moments = ([pace.next(after: now)] + schemaWaits.values.map(\.until) + topics).compactMap(\.self)
                await outbox.bells[index].wait(until: moments.reduce(now + output.tendInterval, min))
                await output.tend()
                continue
            }
            var batch = OutgoingBatch(
                portion, most: pace.window, like: rendered, codec, outbox.catalog.contents, &renderer)
            rendered = batch.outgoing.bytes.count
            // The schema that a lane waited for may have been asked for by another.
            if batch.unknown == nil, schemaWaits[batch.lane] != nil {
                state.withLock { $0.schemaWaits[batch.lane] = nil }
            }
            guard !batch.events.isEmpty else {
                if let through = batch.through {
                    // What is not for this output needs nobody's receipt.
                    await settle(through, batch)
                } else if let damaged = batch.damaged {
                    await outbox.skip(index, batch.stream, damaged)
                } else if let unknown = batch.unknown {
                    ask(unknown, batch.lane)
                }
                continue
            }
            let start = ContinuousClock.now
            let answer = renderer.judge(await output.send(batch.outgoing), of: batch.outgoing)
            measures.sendDuration.record(duration: start.duration(to: .now))
            let outcome = await holdRefusedTopics(answer, &batch)
            pace.sent(batch.place(ofMessage: outcome.settled), of: batch.lane)
            await settle(outcome, batch)
            if outcome.settled > 0 { backoff.reset() }
            guard let failure = outcome.failure, !Task.isCancelled else { continue }
            note(failure)
            try? await Task.sleep(for: backoff.next())
        }
        await output.close()
    }

    // MARK: Schemas

    /// Nothing is sent whose schema nobody knows. What waits loses nothing by it, and the other lanes go on.
    private func ask(_ unknown: UnknownSchema, _ lane: Lane) {
        state.withLock { $0.schemaWaits[lane, default: Wait()].until = nil }
        Task {
            do throws(OutputFailure) {
                try await unknown.ask()
                state.withLock { $0.schemaWaits[lane] = nil }
            } catch {
                measures.retries.increment()
                let isNews = state.withLock { state in
                    state.retries += 1
                    var wait = state.schemaWaits[lane] ?? Wait()
                    defer { state.schemaWaits[lane] = wait }
                    wait.until = .now + wait.backoff.next()
                    defer { wait.error = error.description }
                    return wait.error == nil
                }
                if isNews {
                    logger.warning(
                        .laneWaits, "A lane of the output waits, because the broker rejects its next events for now",
                        metadata: ["lane": "\(lane.name)", "error": "\(error)"])
                }
            }
            outbox.bells[index].ring()
        }
    }

    // MARK: Held topics

    /// Leaves what the broker refuses for its topic to held ranges, so that the other topics go on. A held range itself stays
    /// where it is.
    private func holdRefusedTopics(_ outcome: SendOutcome, _ batch: inout OutgoingBatch) async -> SendOutcome {
        let held = batch.stream.topic.map { HeldTopic(lane: batch.lane, topic: $0) }
        guard let first = outcome.refusedTopics.first else {
            if let held, outcome.settled > 0 { release(held) }
            return outcome
        }
        if let held {
            wait(for: held, first.reason)
            return outcome.first(first.message, failure: nil)
        }
        guard renderer.hasSeveralTopics else {
            return outcome.first(first.message, failure: OutputFailure(first.reason))
        }
        let messages = batch.outgoing.messages
        let reasons = Dictionary(
            outcome.refusedTopics.map { (messages[$0.message].topic, $0.reason) },
            uniquingKeysWith: { first, _ in first })
        guard await outbox.holdTopics(Set(reasons.keys.map(renderer.topic)), of: index, batch.lane) else {
            let reason = "\(first.reason); \(Outbox.mostHeldTopics) topics are held already, and no more can be"
            return outcome.first(first.message, failure: OutputFailure(reason))
        }
        batch.leave(batch.messagesOfRefusedTopics(in: outcome), renderer.topic)
        for (name, reason) in reasons {
            wait(for: HeldTopic(lane: batch.lane, topic: renderer.topic(named: name)), reason)
        }
        return outcome
    }

    private func wait(for held: HeldTopic, _ reason: String) {
        measures.retries.increment()
        state.withLock { state in
            state.retries += 1
            var wait = state.topicWaits[held] ?? Wait()
            wait.until = .now + wait.backoff.next()
            state.topicWaits[held] = wait
        }
        warnings.warn(
            .topicRefused, of: subject(held.topic),
            "\(reason). The events of the topic wait in the outbox; other topics are sent",
            next:
                "create the topic (headgate provision), or allow the client of this output to write to it (with exactly_once also to read it)"
        )
    }

    private func release(_ held: HeldTopic) {
        let (wasWaiting, isWaiting) = state.withLock { state in
            (
                state.topicWaits.removeValue(forKey: held) != nil,
                state.topicWaits.keys.contains { $0.topic == held.topic }
            )
        }
        if wasWaiting, !isWaiting { warnings.clear(.topicRefused, of: subject(held.topic)) }
    }

    /// What was held may have been dropped to make room.
    private func forgetReleasedTopics() async {
        let waiting = state.withLock { $0.topicWaits.keys }
        guard !waiting.isEmpty else { return }
        let held = await outbox.heldTopics(of: index)
        for topic in waiting where held[topic] == nil { release(topic) }
    }

    private func subject(_ topic: Topic) -> String { "output \(name), topic \(topic.name)" }

    // MARK: Settling

    private func settle(_ outcome: SendOutcome, _ batch: OutgoingBatch) async {
        guard outcome.settled > 0, let last = batch.last(of: outcome) else { return }
        let now = Timestamp.now
        let dead = outcome.rejected.flatMap { rejection in
            batch.events(ofMessage: rejection.message).map { batch.letter($0, at: now, reason: rejection.reason) }
        }
        for letter in dead {
            logger.warning(
                .deadLetter, "The broker rejects an event for ever; the gateway keeps it as a dead letter",
                metadata: [
                    "lane": "\(letter.lane.name)", "sequence": "\(letter.sequence)", "reason": "\(letter.reason)",
                ])
        }
        await settle(last, batch, dead: dead, marks: outcome.marks)
        count(outcome, batch, dead: dead.count)
    }

    private func settle(
        _ last: OutgoingBatch.Place, _ batch: OutgoingBatch, dead: [DeadLetter] = [],
        marks: [String: Int64] = [:]
    ) async {
        await outbox.settle(
            index, batch.stream, batch.blocks[last.block].stored, done: last.place + 1, dead: dead, marks: marks,
            left: batch.left(through: last), taken: batch.taken(through: last))
    }

    private func count(_ outcome: SendOutcome, _ batch: OutgoingBatch, dead: Int) {
        let notTaken = batch.events(
            ofMessages: outcome.rejected.map(\.message) + batch.messagesOfRefusedTopics(in: outcome))
        let settled = batch.place(ofMessage: outcome.settled)
        let acknowledged = settled - notTaken.count
        var readings = 0
        for (place, event) in batch.events.prefix(settled).enumerated() where !notTaken.contains(place) {
            readings += event.readings
        }
        measures.readings.increment(by: readings)
        measures.events.increment(by: acknowledged)
        measures.deadLetters.increment(by: dead)
        let wasDown = state.withLock { state in
            defer { if outcome.failure == nil { (state.isUp, state.lastError) = (true, nil) } }
            state.acknowledgedReadings += readings
            state.acknowledgedEvents += acknowledged
            state.deadLetters += dead
            return !state.isUp && outcome.failure == nil
        }
        if wasDown { logger.notice("output up") }
    }

    /// An outage is logged once, when it begins; after that it is counted. That it lasts is a warning: see `OutputWatch`.
    private func note(_ failure: OutputFailure) {
        measures.retries.increment()
        let wasUp = state.withLock { state in
            defer {
                state.isUp = false
                state.lastError = failure.description
                state.retries += 1
            }
            return state.isUp
        }
        if wasUp { logger.notice("output down", metadata: ["error": "\(failure)"]) }
    }
}

/// What forwarding to one output counts.
private struct ForwarderMeasures: Sendable {
    let events: Counter
    let readings: Counter
    let deadLetters: Counter
    let retries: Counter
    let sendDuration: Metrics.Timer

    init(output: String) {
        let label = [("output", output)]
        events = Counter(label: "headgate_output_acknowledged_events_total", dimensions: label)
        readings = Counter(label: "headgate_output_acknowledged_readings_total", dimensions: label)
        deadLetters = Counter(label: "headgate_output_dead_letters_total", dimensions: label)
        retries = Counter(label: "headgate_output_retries_total", dimensions: label)
        sendDuration = Metrics.Timer(label: "headgate_output_send_duration_seconds", dimensions: label)
    }
}

extension Forwarder.Wait {
    fileprivate var isOver: Bool { until.map { $0 <= .now } ?? false }
}
