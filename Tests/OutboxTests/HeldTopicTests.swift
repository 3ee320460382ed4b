// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Outbox

@Suite("Held topics")
struct HeldTopicTests {
    private let topic = Topic(name: "t", template: "{map}")

    /// The ranges of a position, as `topic: from..<until`.
    private func ranges(_ position: Position) -> [String] {
        position.backlog.map { replay in
            let done = replay.cursor.done > 0 ? ".\(replay.cursor.done)" : ""
            return
                "\(replay.topic?.name ?? "all"): \(replay.cursor.block)\(done)..<\(replay.until)\(replay.isReady ? "" : " waits")"
        }
    }

    private func position(live block: Int64, done: Int = 0) -> Position {
        var position = Position()
        position.live = Cursor(block: block, done: done)
        return position
    }

    @Test("a topic that is held in the middle of a block leaves its events from there on to a range")
    func follows() {
        var position = position(live: 50, done: 3)
        position.hold(topic)
        #expect(ranges(position) == ["t: 50.3..<51"])
        position.move(.live, to: Cursor(block: 60, done: 0))
        position.leave([topic: 4], through: 59)
        #expect(ranges(position) == ["t: 50.3..<60"])
        #expect(position.held(topic) == 4)
        #expect(position.needed() == 50)
    }

    @Test("a held range is over when it is through and nothing has still to pass it")
    func release() {
        var position = position(live: 50)
        position.hold(topic)
        position.move(.live, to: Cursor(block: 60, done: 2))
        position.leave([topic: 1], through: 60)
        let stream = Stream.backlog(until: 61, topic: topic)
        position.move(stream, to: Cursor(block: 61, done: 0), taken: 1)
        // The live stream has still to leave what is left of block 60 to it.
        #expect(position.heldTopics == [topic])
        #expect(position.held(topic) == 0 && position.needed() == 60)
        position.move(.live, to: Cursor(block: 61, done: 0))
        #expect(position.heldTopics.isEmpty && position.backlog.isEmpty)
    }

    @Test("a backlog has a range of its own, and what it passes is not sent twice")
    func backlog() {
        var position = position(live: 20)
        position.split(at: 50)
        position.move(.live, to: Cursor(block: 55, done: 0))
        position.hold(topic)
        #expect(ranges(position) == ["all: 20..<50", "t: 20..<50", "t: 55..<55"])
        position.move(.live, to: Cursor(block: 57, done: 0))
        position.move(.backlog(until: 50, topic: topic), to: Cursor(block: 50, done: 0))
        position.move(.backlog(until: 57, topic: topic), to: Cursor(block: 57, done: 0))
        // Both are through, and the backlog has still to pass.
        #expect(position.heldTopics == [topic])
        position.move(.backlog(until: 50), to: Cursor(block: 50, done: 0))
        #expect(position.backlog.isEmpty)
    }

    @Test("what becomes backlog, is sent again or waits for its blocks is in the ranges too")
    func added() {
        var position = position(live: 20)
        position.hold(topic)
        position.split(at: 30)
        #expect(ranges(position) == ["t: 20..<30", "all: 20..<30"])
        position.replay(from: 5, until: 7)
        #expect(ranges(position).suffix(2) == ["all: 5..<7", "t: 5..<7"])
        position.leave(at: 40)
        #expect(
            ranges(position) == [
                "t: 20..<40 waits", "all: 20..<30 waits", "all: 5..<7 waits", "t: 5..<7 waits", "all: 30..<40 waits",
            ])
        // In memory the topic is still held.
        position.move(.live, to: Cursor(block: 41, done: 0))
        #expect(ranges(position).last == "t: 40..<41")
    }

    @Test("the held ranges of a database that is saved are taken over, and cover what is here too")
    func takeOver() {
        var position = position(live: 100)
        position.backlog = [.everything(before: 90)]
        var saved = self.position(live: 40, done: 1)
        saved.hold(topic)
        saved.move(.live, to: Cursor(block: 70, done: 0))
        saved.leave([topic: 3], through: 69)
        saved.leave(at: 90)
        position.takeOver(saved.backlog, until: 90)
        #expect(Set(ranges(position)) == ["all: 70..<90 waits", "t: 40.1..<90 waits", "t: 100..<100"])
        #expect(position.held(topic) == 3)
    }

    @Test("of held ranges that overlap the one moves that was sent from")
    func overlaps() {
        var position = position(live: 20)
        position.hold(topic)
        position.move(.live, to: Cursor(block: 30, done: 0))
        position.replay(from: 15, until: 25)
        #expect(ranges(position) == ["t: 20..<30", "all: 15..<25", "t: 15..<25"])
        position.move(.backlog(until: 25, topic: topic), to: Cursor(block: 18, done: 0))
        #expect(ranges(position).last == "t: 18..<25")
        #expect(position.cursor(of: .backlog(until: 25, topic: topic)) == Cursor(block: 18, done: 0))
        // One that was added meanwhile is not taken for the one that was sent from.
        position.replay(from: 5, until: 40)
        position.move(.backlog(until: 30, topic: topic), to: Cursor(block: 24, done: 0))
        #expect(ranges(position).contains("t: 24..<30") && ranges(position).last == "t: 5..<40")
    }

    @Test("a held range goes past what is deleted, also past what the live stream had not sent")
    func evicted() {
        var position = position(live: 20)
        position.hold(topic)
        position.move(.live, to: Cursor(block: 30, done: 0))
        position.leave([topic: 3], through: 29)
        position.move(.backlog(until: 30, topic: topic), to: Cursor(block: 30, done: 0))
        position.move(.live, to: Cursor(block: 40, done: 0))
        position.skipHeld(before: 40)
        #expect(ranges(position).allSatisfy { $0.hasPrefix("t: 40") || $0.hasPrefix("t: 30..<30") })
        #expect(position.needed() == 40)
    }

    @Test("what is dropped of a held range is its share of what is dropped, and one event at the least")
    func loses() {
        var position = position(live: 10)
        position.hold(topic)
        position.move(.live, to: Cursor(block: 20, done: 0))
        position.leave([topic: 10], through: 19)
        let stream = Stream.backlog(until: 20, topic: topic)
        #expect(position.lose(500, of: 1_000, stream) == 5)
        #expect(position.held(topic) == 5)
        #expect(position.lose(1, of: 500, stream) == 1)
        #expect(position.lose(499, of: 499, stream) == 4)
        // As long as it goes on it may have one more.
        #expect(position.held(topic) == 1)
        #expect(position.lose(7, of: 7, .live) == 7)
    }
}
