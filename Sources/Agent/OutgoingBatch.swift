// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Outbox
import Outputs

/// What is sent at once: events of one lane and one stream, and where each of them came from.
struct OutgoingBatch {
    /// What one batch may hold: enough to keep a connection busy, little enough that a critical event waits no longer
    /// than its sending takes.
    static let portionBytes = 256 * 1_024
    static let mostEvents = 1_000
    /// Bytes of messages; stored, the same may take a thousandth.
    private static let mostRendered = 2 << 20
    /// An event sent later than this after its commit says so.
    private static let replayAge: Int64 = 10_000_000

    /// An event of a block.
    typealias Place = (block: Int, place: Int)

    let lane: Lane
    let stream: Stream
    private(set) var outgoing: Outgoing
    /// The events of the messages, in order: where each comes from, and how many readings it has.
    private(set) var events: [(at: Place, readings: Int)] = []
    /// Events that are left to the held ranges of their topics.
    private var left: [(at: Place, topic: Topic)] = []
    /// The last event that was looked at: with a message, left to a held range, or not for this output.
    private(set) var through: Place?
    private(set) var blocks: [(stored: StoredBlock, opened: OpenedBlock)] = []
    /// What stands before the next event.
    private(set) var unknown: UnknownSchema?
    /// The first block, where it cannot be read.
    private(set) var damaged: StoredBlock?

    /// - Parameters:
    ///   - most: events.
    ///   - bytes: what the messages are likely to take.
    init(
        _ portion: Portion, most: Int, like bytes: Int, _ codec: borrowing BlockCodec, _ catalog: Catalog.Contents,
        _ renderer: inout Renderer
    ) {
        stream = portion.stream
        lane = portion.blocks.first?.lane ?? .normal
        outgoing = Outgoing(isOfHeldTopic: portion.stream.topic != nil)
        outgoing.reserve(bytes)
        do throws(UnknownSchema) {
            try fill(portion, most: min(most, Self.mostEvents), codec, catalog, &renderer)
        } catch {
            unknown = error
        }
        renderer.close(&outgoing)
    }

    private mutating func fill(
        _ portion: Portion, most: Int, _ codec: borrowing BlockCodec, _ catalog: Catalog.Contents,
        _ renderer: inout Renderer
    ) throws(UnknownSchema) {
        let topics = Self.topics(of: portion)
        let now = Timestamp.now
        var isFull: Bool { events.count >= most || outgoing.bytes.count >= Self.mostRendered }
        for block in portion.blocks {
            guard !isFull else { return }
            guard let opened = try? codec.decode(block), catalog.describes(opened.batch) else {
                // What lies before it is sent first; then it comes first, and is skipped.
                if through == nil { damaged = block }
                return
            }
            blocks.append((block, opened))
            // What comes after newer events says so, however little time has passed.
            let isReplayed = portion.stream != .live || now.microseconds(since: block.committed) > Self.replayAge
            let done = blocks.count == 1 ? portion.done : 0
            for place in done..<max(done, opened.batch.events.count) {
                guard !isFull else { return }
                try add((blocks.count - 1, place), isReplayed: isReplayed, topics, &renderer)
            }
        }
    }

    private static func topics(of portion: Portion) -> TopicSelection {
        if let topic = portion.stream.topic { return .only(TopicSet([topic])) }
        return portion.held.isEmpty ? .all : .allBut(TopicSet(portion.held))
    }

    private mutating func add(
        _ at: Place, isReplayed: Bool, _ topics: TopicSelection, _ renderer: inout Renderer
    ) throws(UnknownSchema) {
        let (stored, opened) = blocks[at.block]
        let addition = try renderer.add(
            opened.batch.events[at.place], of: opened.batch,
            id: EventID(epoch: stored.epoch, lane: stored.lane, sequence: opened.sequence(at: at.place)),
            isReplayed: isReplayed, isBacklog: stream != .live, topics: topics, to: &outgoing)
        through = at
        switch addition {
        case .added(let readings): events.append((at, readings))
        case .left(let topic): left.append((at, topic))
        case .passed: break
        }
    }

    // MARK: Messages

    /// Among the events, where a message begins.
    func place(ofMessage message: Int) -> Int {
        outgoing.messages.prefix(message).reduce(0) { $0 + $1.events }
    }

    func events(ofMessage message: Int) -> Range<Int> {
        let start = place(ofMessage: message)
        return start..<start + outgoing.messages[message].events
    }

    func events(ofMessages messages: [Int]) -> Set<Int> { Set(messages.lazy.flatMap { events(ofMessage: $0) }) }

    /// The last event that there is an answer to, or that needs none.
    func last(of outcome: SendOutcome) -> Place? {
        // What comes after the last message is not for this output, or left to held ranges.
        if outcome.settled == outgoing.messages.count { return through }
        return outcome.settled > 0 ? events[place(ofMessage: outcome.settled) - 1].at : nil
    }

    // MARK: Held topics

    /// The settled messages whose topics are refused, also those that were acknowledged before that.
    func messagesOfRefusedTopics(in outcome: SendOutcome) -> [Int] {
        let refused = Set(outcome.refusedTopics.map { outgoing.messages[$0.message].topic })
        if refused.isEmpty { return [] }
        return outgoing.messages.indices.prefix(outcome.settled).filter {
            refused.contains(outgoing.messages[$0].topic)
        }
    }

    /// Leaves the events of messages to the held ranges of their topics: those send all of them, also what was acknowledged.
    mutating func leave(_ messages: [Int], _ topic: (String) -> Topic) {
        for message in messages {
            let topic = topic(outgoing.messages[message].topic)
            left += events(ofMessage: message).map { (events[$0].at, topic) }
        }
    }

    /// How many events are left to held ranges up to a place, by topic.
    func left(through last: Place) -> [Topic: Int] {
        var counts: [Topic: Int] = [:]
        for (at, topic) in left where at <= last { counts[topic, default: 0] += 1 }
        return counts
    }

    /// Of a held range, how many events messages have up to a place.
    func taken(through last: Place) -> Int { stream.topic == nil ? 0 : events.count { $0.at <= last } }

    // MARK: Dead letters

    func letter(_ event: Int, at now: Timestamp, reason: String) -> DeadLetter {
        let at = events[event].at
        let (stored, opened) = blocks[at.block]
        var batch = Batch()
        batch.append(opened.batch.events[at.place], of: opened.batch)
        return DeadLetter(
            epoch: stored.epoch, lane: stored.lane, sequence: opened.sequence(at: at.place), at: now, reason: reason,
            event: batch)
    }
}
