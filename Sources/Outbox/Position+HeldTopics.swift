// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// A topic that the broker refuses is held, so that the others go on.
//
//     live      ──────────────┐ leaves the events of a held topic to its ranges
//     backlog   ──────┐       │
//     held      [ T: the same blocks as each backlog range ] [ T: from where live was to where live is ]
//
// While a topic is held, a range of it covers every block that another stream has still to pass or has passed since. Its
// events are sent by its ranges alone, oldest first. It is released once its ranges are through and no other stream has
// still to pass them.

extension Position {
    var heldTopics: Set<Topic> { Set(backlog.compactMap(\.topic)) }

    /// Leaves the events of a topic that are not settled yet, and those to come, to ranges of their own.
    mutating func hold(_ topic: Topic) {
        guard !heldTopics.contains(topic) else { return }
        for var range in backlog where range.topic == nil {
            range.topic = topic
            backlog.append(range)
        }
        backlog.append(BacklogRange(cursor: live, until: live.end, isReady: true, topic: topic))
        isBacklogUnsaved = true
    }

    /// Adds blocks that are to be sent, in the ranges of the held topics too.
    /// - Parameter except: topics whose ranges cover these blocks already.
    mutating func add(_ range: BacklogRange, exceptHeld except: Set<Topic> = []) {
        let held = heldTopics.subtracting(except)
        backlog.append(range)
        for topic in held.sorted(by: { $0.name < $1.name }) {
            var range = range
            range.topic = topic
            backlog.append(range)
        }
        isBacklogUnsaved = true
    }

    /// Follows the live stream: what it passes is left to the held ranges.
    mutating func extendHeld(to end: Int64) {
        for topic in heldTopics {
            let current = backlog.lastIndex { $0.topic == topic && $0.isReady && $0.until >= live.block }
            if let current {
                guard end > backlog[current].until else { continue }
                backlog[current].until = end
            } else {
                backlog.append(BacklogRange(cursor: live, until: end, isReady: true, topic: topic))
            }
            isBacklogUnsaved = true
        }
    }

    /// Notes events that a stream has left to the ranges of their topics.
    /// - Parameter block: the last that has some of them.
    mutating func leave(_ events: [Topic: Int], through block: Int64) {
        for (topic, count) in events {
            let range =
                backlog.firstIndex { $0.topic == topic && $0.until > block } ?? backlog.lastIndex { $0.topic == topic }
            guard let range else { continue }
            backlog[range].events += count
            isBacklogUnsaved = true
        }
    }

    /// Notes that another stream lost events before it could leave some of them to the held ranges. Ranges that are ahead of it
    /// have settled theirs already, and would count them for ever as events that are still to be left. The outbox does not know
    /// their topics: it assumes all of them, so that no range seems to have less than it has.
    /// - Parameters:
    ///   - count: how many events before a block there were, from the stream's cursor on.
    mutating func loseUnleft<Failure>(
        _ stream: Stream, count: (_ end: Int64) throws(Failure) -> UInt64
    ) throws(Failure) {
        guard stream.topic == nil else { return }
        let from = cursor(of: stream)
        for index in backlog.indices where backlog[index].topic != nil && backlog[index].cursor.isBeyond(from) {
            // What a damaged row says may be anything.
            backlog[index].events += Int(min(try count(backlog[index].cursor.end), UInt64(Int32.max)))
            isBacklogUnsaved = true
        }
    }

    /// Whether a held range has settled events that another stream has still to leave to it: the count of its events then says
    /// nothing.
    private func isAhead(_ topic: Topic) -> Bool {
        let others = backlog.filter { $0.topic == nil && !$0.isThrough }.map(\.cursor) + [live]
        return backlog.contains { range in range.topic == topic && others.contains(where: range.cursor.isBeyond) }
    }

    /// Whether events may wait in the held ranges of a topic.
    func mayHold(_ topic: Topic) -> Bool { held(topic) > 0 || isAhead(topic) }

    /// Notes that events are gone among which a held range may have had some. The outbox does not know their topics: it
    /// assumes a share, and at least one event.
    /// - Parameter total: how many events lie in the range with them.
    /// - Returns: how many of them were the range's.
    mutating func lose(_ events: UInt64, of total: UInt64, _ stream: Stream) -> UInt64 {
        guard case .backlog(let until, let topic?) = stream else { return events }
        guard mayHold(topic), events > 0 else { return 0 }
        let held = UInt64(max(1, held(topic)))
        let share = Double(held) * Double(events) / Double(max(total, events))
        let lost = min(events, held, max(1, UInt64(share.rounded(.up))))
        if let range = index(ofBacklog: until, topic) {
            // While it goes on it may have more.
            backlog[range].events = max(min(backlog[range].events, 1), backlog[range].events - Int(lost))
            isBacklogUnsaved = true
        }
        return lost
    }

    /// Goes past blocks that are deleted, also those that the live stream has left to held ranges as it went past them.
    mutating func skipHeld(before block: Int64) {
        for index in backlog.indices where backlog[index].topic != nil && backlog[index].isReady {
            let next = Cursor(block: min(block, backlog[index].until), done: 0)
            guard next.isBeyond(backlog[index].cursor) else { continue }
            backlog[index].cursor = next
            isBacklogUnsaved = true
        }
        releaseHeld()
    }

    /// The events that wait in the held ranges of a topic.
    func held(_ topic: Topic) -> Int {
        backlog.lazy.filter { $0.topic == topic }.reduce(0) { $0 + max(0, $1.events) }
    }

    /// Goes on without ranges of a topic where none of its events is left.
    mutating func releaseHeld() {
        for topic in heldTopics {
            let ranges = backlog.filter { $0.topic == topic }
            guard ranges.allSatisfy(\.isThrough), let end = ranges.map(\.until).max() else { continue }
            let passed = backlog.lazy.filter { $0.topic == nil }.map(\.cursor.block).reduce(live.block, min)
            if passed >= end { backlog.removeAll { $0.topic == topic } }
        }
    }
}

extension BacklogRange {
    /// Whether it stands for all that there will be before a block, of a held topic too.
    func isEverything(before first: Int64) -> Bool { cursor == .start && until == first && !isReady }
}
