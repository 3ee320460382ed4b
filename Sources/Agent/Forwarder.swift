// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import Metrics
import Outbox
import Outputs
import Synchronization
import Waiting

/// From the outbox to one output.
///
///     outbox ─▶ window of blocks ─▶ render ─▶ output ─▶ broker
///        ▲                                      │
///        └───────────── settle ◀────────────────┘
///
/// One window is under way at a time, which keeps the order and makes a failure simple: what is not settled is sent
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
        fileprivate var schemaWaits: [Lane: SchemaWait] = [:]
    }

    fileprivate struct SchemaWait {
        var backoff = Backoff(base: .milliseconds(250), cap: .seconds(5))
        /// When the registry is asked again; nil while it is.
        var until: ContinuousClock.Instant?
        var error: String?
    }

    /// What one window may hold: enough to keep a connection busy, little enough that a critical event waits no longer
    /// than its sending takes.
    private static let windowBytes = 256 * 1_024
    private static let windowEvents = 1_000
    /// Bytes of messages; stored, the same may take a thousandth.
    private static let windowRendered = 2 << 20
    /// An event sent later than this after its commit says so.
    private static let replayAge: Int64 = 10_000_000

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

    /// - Parameters:
    ///   - index: the output's place in the outbox's list.
    ///   - pace: critical events count and do not wait.
    init(
        name: String, index: Int, outbox: Outbox, output: any Output, renderer: Renderer, pace: ForwarderPace,
        logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "output"] = "\(name)"
        self.name = name
        self.index = index
        self.outbox = outbox
        self.output = output
        self.renderer = renderer
        self.pace = pace
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
        // Bytes of the last window, which the next one is likely to have.
        var rendered = 0
        await output.resume(after: outbox.marks(of: index))
        while !Task.isCancelled {
            let waits = state.withLock { $0.schemaWaits }
            let isDraining = isDraining.load(ordering: .relaxed)
            let now = ContinuousClock.now
            let lanes = pace.lanes(isLast: isDraining, at: now)
            let portion = await outbox.next(
                for: index, bytes: Self.windowBytes, events: min(Self.windowEvents, pace.window),
                of: lanes.filter { waits[$0]?.isOver ?? true })
            guard let portion else {
                if isDraining { break }
                pace.isThrough(at: now)
                let moments = ([pace.next(after: now)] + waits.values.map(\.until)).compactMap(\.self)
                await outbox.bells[index].wait(until: moments.reduce(now + output.tendInterval, min))
                await output.tend()
                continue
            }
            var window = await window(portion, most: pace.window, codec, &renderer, like: &rendered)
            renderer.close(&window.outgoing)
            // The schema that a lane waited for may have been asked for by another.
            let lane = portion.blocks.first?.lane
            if window.unknown == nil, let lane, waits[lane] != nil {
                state.withLock { $0.schemaWaits[lane] = nil }
            }
            guard !window.events.isEmpty else {
                if let through = window.through {
                    // What is not for this output needs nobody's receipt.
                    await settle(through, window)
                } else if let unknown = window.unknown, let lane {
                    ask(unknown, lane)
                }
                continue
            }
            let start = ContinuousClock.now
            let outcome = renderer.judge(await output.send(window.outgoing), of: window.outgoing)
            measures.sendDuration.record(duration: start.duration(to: .now))
            if let lane { pace.sent(window.place(ofMessage: outcome.settled), of: lane) }
            await settle(outcome, window)
            if outcome.settled > 0 { backoff.reset() }
            guard let failure = outcome.failure, !Task.isCancelled else { continue }
            note(failure)
            try? await Task.sleep(for: backoff.next())
        }
        await output.close()
    }

    // MARK: A window

    private struct Window {
        let stream: Stream
        var outgoing = Outgoing()
        /// What messages tell, one after the other: where it came from, and how many readings are in it.
        var events: [(block: Int, place: Int, readings: Int)] = []
        /// The last event that was looked at: with a message, or not for this output.
        var through: (block: Int, place: Int)?
        var blocks: [(stored: StoredBlock, opened: OpenedBlock)] = []
        /// What stands before the next event.
        var unknown: UnknownSchema?

        /// Among the events, where a message begins.
        func place(ofMessage message: Int) -> Int {
            outgoing.messages.prefix(message).reduce(0) { $0 + $1.events }
        }

        func events(ofMessage message: Int) -> Range<Int> {
            let start = place(ofMessage: message)
            return start..<start + outgoing.messages[message].events
        }
    }

    /// Nothing is sent whose schema nobody knows. What waits loses nothing by it, and the other lanes go on.
    private func ask(_ unknown: UnknownSchema, _ lane: Lane) {
        state.withLock { $0.schemaWaits[lane, default: SchemaWait()].until = nil }
        Task {
            do throws(OutputFailure) {
                try await unknown.ask()
                state.withLock { $0.schemaWaits[lane] = nil }
            } catch {
                measures.retries.increment()
                let isNews = state.withLock { state in
                    state.retries += 1
                    var wait = state.schemaWaits[lane] ?? SchemaWait()
                    defer { state.schemaWaits[lane] = wait }
                    wait.until = .now + wait.backoff.next()
                    defer { wait.error = error.description }
                    return wait.error == nil
                }
                if isNews {
                    logger.warning("a lane waits", metadata: ["lane": "\(lane.name)", "error": "\(error)"])
                }
            }
            outbox.bells[index].ring()
        }
    }

    private func window(
        _ portion: Portion, most: Int, _ codec: borrowing BlockCodec, _ renderer: inout Renderer,
        like rendered: inout Int
    ) async -> Window {
        var window = Window(stream: portion.stream)
        window.outgoing.reserve(rendered)
        defer { rendered = window.outgoing.bytes.count }
        let now = Timestamp.now
        for block in portion.blocks where window.outgoing.bytes.count < Self.windowRendered {
            guard let opened = try? codec.decode(block), outbox.catalog.contents.describes(opened.batch) else {
                // What lies before it is sent first; then it comes first, and is skipped.
                if window.events.isEmpty { await outbox.skip(index, portion.stream, block) }
                break
            }
            window.blocks.append((block, opened))
            // What comes after newer events says so, however little time has passed.
            let isReplayed = portion.stream != .live || now.microseconds(since: block.committed) > Self.replayAge
            let batch = opened.batch
            let done = window.blocks.count == 1 ? portion.done : 0
            for place in done..<max(done, batch.events.count) {
                guard window.events.count < min(Self.windowEvents, most),
                    window.outgoing.bytes.count < Self.windowRendered
                else { break }
                let id = EventID(epoch: block.epoch, lane: block.lane, sequence: opened.sequence(at: place))
                do throws(UnknownSchema) {
                    let readings = try renderer.add(
                        batch.events[place], of: batch, id: id, isReplayed: isReplayed,
                        isBacklog: portion.stream != .live, to: &window.outgoing)
                    window.through = (window.blocks.count - 1, place)
                    if let readings { window.events.append((window.blocks.count - 1, place, readings)) }
                } catch {
                    window.unknown = error
                    return window
                }
            }
        }
        return window
    }

    private func settle(_ outcome: SendOutcome, _ window: Window) async {
        guard outcome.settled > 0 else { return }
        let now = Timestamp.now
        let dead = outcome.rejected.flatMap { rejection in
            window.events(ofMessage: rejection.message).map { place in
                letter(window.events[place], window, at: now, reason: rejection.reason)
            }
        }
        for letter in dead {
            logger.warning(
                "event refused for good, kept as a dead letter",
                metadata: [
                    "lane": "\(letter.lane.name)", "sequence": "\(letter.sequence)", "reason": "\(letter.reason)",
                ])
        }
        let sent = window.events[window.place(ofMessage: outcome.settled) - 1]
        // What comes after the last message is not for this output.
        let isAll = outcome.settled == window.outgoing.messages.count
        let last = (isAll ? window.through : nil) ?? (sent.block, sent.place)
        await settle(last, window, dead: dead, marks: outcome.marks)
        count(outcome, window, dead: dead.count)
    }

    private func settle(
        _ through: (block: Int, place: Int), _ window: Window, dead: [DeadLetter] = [], marks: [String: Int64] = [:]
    ) async {
        await outbox.settle(
            index, window.stream, window.blocks[through.block].stored, done: through.place + 1, dead: dead, marks: marks
        )
    }

    private func letter(
        _ event: (block: Int, place: Int, readings: Int), _ window: Window, at now: Timestamp, reason: String
    ) -> DeadLetter {
        let (stored, opened) = window.blocks[event.block]
        var batch = Batch()
        batch.append(opened.batch.events[event.place], of: opened.batch)
        return DeadLetter(
            epoch: stored.epoch, lane: stored.lane, sequence: opened.sequence(at: event.place), at: now, reason: reason,
            event: batch)
    }

    private func count(_ outcome: SendOutcome, _ window: Window, dead: Int) {
        let rejected = Set(outcome.rejected.lazy.map(\.message).flatMap { window.events(ofMessage: $0) })
        let settled = window.place(ofMessage: outcome.settled)
        var readings = 0
        for (place, event) in window.events.prefix(settled).enumerated() where !rejected.contains(place) {
            readings += event.readings
        }
        measures.readings.increment(by: readings)
        measures.events.increment(by: settled - dead)
        measures.deadLetters.increment(by: dead)
        let wasDown = state.withLock { state in
            defer { if outcome.failure == nil { (state.isUp, state.lastError) = (true, nil) } }
            state.acknowledgedReadings += readings
            state.acknowledgedEvents += settled - dead
            state.deadLetters += dead
            return !state.isUp && outcome.failure == nil
        }
        if wasDown { logger.notice("output up") }
    }

    /// An outage is told once, when it begins; after that it is counted.
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
        if wasUp { logger.warning("output down", metadata: ["error": "\(failure)"]) }
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

extension Forwarder.SchemaWait {
    fileprivate var isOver: Bool { until.map { $0 <= .now } ?? false }
}
