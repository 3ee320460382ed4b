// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Metrics
import Synchronization
import Waiting

/// Where batches wait for the next commit. Taking one never blocks and never waits for the disk.
public final class Intake: Sendable {
    /// When a lane's batches are committed at the latest, and how much may wait.
    public struct Limits: Sendable {
        /// Longest wait for a commit by lane: critical, normal, bulk.
        public var age = PerLane<Duration>(critical: .milliseconds(20), normal: .milliseconds(500), bulk: .seconds(5))
        /// Readings and events that make a lane due at once.
        public var batch = 4_096
        /// Bytes that may wait in a lane; beyond, new ones are shed and counted. Each lane has its own, so that none is
        /// full because another is.
        public var waiting = PerLane(critical: 4 << 20, normal: 8 << 20, bulk: 4 << 20)

        public init() {}

        /// - Parameter memory: bytes for all lanes together.
        public mutating func share(_ memory: Int) {
            waiting = PerLane(critical: memory / 4, normal: memory / 2, bulk: memory / 4)
        }
    }

    /// What a lane takes while the outbox is full, where its policy is not to let old events go.
    enum Door {
        /// Everything that comes is let go.
        case dropping
        /// What is polled is let go; a source that waits does so.
        case paused
    }

    /// What one lane has for a commit.
    struct Work {
        var lane: Lane
        var batch: Batch
        /// Readings that are taken together over time, beside those of the batch or instead of them.
        var feed: [Reading] = []
        var shed: Shed?
        /// What was lost before it came here.
        var lost: [Shed] = []
        var receipts: [Receipt]
    }

    /// What a lane had to let go.
    struct Shed {
        var count: UInt64
        var since: Timestamp
        var until: Timestamp
        var cause = Gap.Cause.overload

        func gap(in lane: Lane) -> Gap {
            Gap(cause: cause, lane: lane, first: 0, last: 0, count: count, since: since, until: until, outputs: [])
        }
    }

    private struct Pending {
        var batch = Batch()
        var feed: [Reading] = []
        var due: ContinuousClock.Instant?
        var receipts: [Receipt] = []
        var shed: Shed?
        var lost: [Shed] = []

        /// Set while commits fail: nothing is due before.
        var notBefore: ContinuousClock.Instant?

        /// Set while the lane's policy is to let nothing more in.
        var door: Door?

        /// Readings and events.
        var count: Int { batch.events.count + batch.readings.count + feed.count }

        /// - Parameter now: nil for whatever there is.
        func isDue(_ now: ContinuousClock.Instant?) -> Bool {
            guard let now else {
                return !batch.isEmpty || !feed.isEmpty || shed != nil || !lost.isEmpty || !receipts.isEmpty
            }
            return due.map { $0 <= now } ?? false
        }
    }

    /// Bytes.
    private static func size(of batch: Batch, _ feed: [Reading]) -> Int {
        batch.events.count * MemoryLayout<Batch.Event>.stride
            + (batch.readings.count + feed.count) * MemoryLayout<Reading>.stride
            + batch.texts.count * MemoryLayout<String>.stride + batch.textBytes
            + batch.provenanceBytes
    }

    private let limits: Limits
    private let shedCounter = Counter(label: "headgate_readings_dropped_total")
    private let shedCount = Atomic<Int>(0)
    private let pending = Mutex([Lane: Pending]())
    /// Changed under the lock of `pending` only.
    private let isClosed = Atomic<Bool>(false)
    /// Rings when something is due earlier than it was.
    let bell = Doorbell()

    init(limits: Limits) {
        self.limits = limits
    }

    /// Readings that there was no room for, since the start.
    public var shedReadings: Int { shedCount.load(ordering: .relaxed) }

    // MARK: In

    /// Takes a batch whose source cannot be asked again. What there is no room for is shed and announced.
    /// - Parameter feed: readings that are taken together over time.
    /// - Returns: false where the batch was shed.
    @discardableResult
    public func offer(_ batch: Batch, _ lane: Lane, feed: [Reading] = []) -> Bool {
        add(batch, feed, lane, receipt: nil)
    }

    /// Takes a batch of a source that waits to be told that it is safe: it is due at once.
    public func offer(_ batch: Batch, _ lane: Lane, feed: [Reading] = [], _ receipt: Receipt) {
        receipt.expect()
        add(batch, feed, lane, receipt: receipt)
    }

    /// Notes that events were lost before they came here: with the next commit of the lane a gap announces them.
    public func lose(_ events: Int, _ lane: Lane, _ cause: Gap.Cause, at time: Timestamp) {
        pending.withLock { all in
            if isClosed.load(ordering: .relaxed) { return }
            var one = all.removeValue(forKey: lane) ?? Pending()
            if let place = one.lost.firstIndex(where: { $0.cause == cause }) {
                one.lost[place].count += UInt64(max(0, events))
                one.lost[place].until = time
            } else {
                one.lost.append(Shed(count: UInt64(max(0, events)), since: time, until: time, cause: cause))
            }
            if one.due == nil { one.due = .now + limits.age[lane] }
            all[lane] = one
        }
        bell.ring()
    }

    @discardableResult
    private func add(_ batch: Batch, _ feed: [Reading], _ lane: Lane, receipt: Receipt?) -> Bool {
        let now = ContinuousClock.now
        let (isTaken, isEarlier) = pending.withLock { all in
            // Nobody comes to fetch it any more.
            if isClosed.load(ordering: .relaxed) { return (false, false) }
            var one = all.removeValue(forKey: lane) ?? Pending()
            defer { all[lane] = one }
            let isRefused = isRefused(batch, feed, one, lane, isPushed: receipt != nil)
            if let receipt { one.receipts.append(receipt) }
            if isRefused {
                Self.shed(batch, feed, &one.shed, one.door == nil ? .overload : .maxSize)
                // What windows take is mostly in both.
                let count = max(batch.measured, feed.count)
                shedCounter.increment(by: count)
                shedCount.wrappingAdd(count, ordering: .relaxed)
            } else {
                if one.batch.isEmpty { one.batch = batch } else { one.batch.append(batch) }
                one.feed += feed
                // It waits until the lane opens again.
                if one.door == .paused { return (true, false) }
            }
            let isUrgent = receipt != nil || !isRefused && one.count >= limits.batch
            var due = isUrgent ? now : now + limits.age[lane]
            if let notBefore = one.notBefore { due = max(due, notBefore) }
            guard one.due.map({ due < $0 }) ?? true else { return (!isRefused, false) }
            one.due = due
            return (!isRefused, true)
        }
        if isEarlier { bell.ring() }
        if !isTaken, isClosed.load(ordering: .relaxed) { receipt?.settle(isSafe: false) }
        return isTaken
    }

    private func isRefused(_ batch: Batch, _ feed: [Reading], _ one: Pending, _ lane: Lane, isPushed: Bool) -> Bool {
        switch one.door {
        case .dropping: return true
        case .paused: return !isPushed
        case nil:
            let size = Self.size(of: one.batch, one.feed) + Self.size(of: batch, feed)
            return !isPushed && size > limits.waiting[lane]
        }
    }

    private static func shed(_ batch: Batch, _ feed: [Reading], _ shed: inout Shed?, _ cause: Gap.Cause) {
        guard let first = batch.events.first?.time ?? feed.first?.time,
            let last = batch.events.last?.time ?? feed.last?.time
        else { return }
        var now = shed ?? Shed(count: 0, since: first, until: last, cause: cause)
        now.count += UInt64(max(1, batch.events.count))
        now.until = last
        shed = now
    }

    /// From now on nothing is taken, and whoever waits for a receipt is told so.
    func close() {
        pending.withLock { _ in isClosed.store(true, ordering: .relaxed) }
    }

    // MARK: Out

    /// When the next lane is due; nil while nothing waits.
    var nextDue: ContinuousClock.Instant? {
        pending.withLock { $0.values.compactMap(\.due).min() }
    }

    /// Takes what is due at `now`, or all there is where `now` is nil.
    func take(dueAt now: ContinuousClock.Instant?) -> [Work] {
        pending.withLock { all in
            var work: [Work] = []
            for lane in Lane.allCases {
                guard let one = all[lane], one.isDue(now) else { continue }
                all[lane] = one.door.map { Pending(door: $0) }
                work.append(
                    Work(
                        lane: lane, batch: one.batch, feed: one.feed, shed: one.shed, lost: one.lost,
                        receipts: one.receipts))
            }
            return work
        }
    }

    /// Puts back what could not be committed, before what came since; due again at `due`.
    func putBack(_ work: [Work], due: ContinuousClock.Instant) {
        pending.withLock { all in
            for one in work {
                let since = all[one.lane]
                var back = Pending(
                    batch: one.batch, feed: one.feed, due: due, receipts: one.receipts, shed: one.shed,
                    lost: one.lost, notBefore: due, door: since?.door)
                if let since {
                    back.batch.append(since.batch)
                    back.feed += since.feed
                    back.receipts += since.receipts
                    back.lost += since.lost
                    if let shed = since.shed {
                        back.shed = Shed(
                            count: shed.count + (back.shed?.count ?? 0), since: back.shed?.since ?? shed.since,
                            until: shed.until, cause: shed.cause)
                    }
                }
                all[one.lane] = back
            }
        }
        bell.ring()
    }

    // MARK: The door

    func close(_ lane: Lane, _ door: Door) {
        pending.withLock { all in
            all[lane, default: Pending()].door = door
        }
    }

    /// Opens every lane; what has waited before it is due now.
    func reopen() {
        let isAny = pending.withLock { all in
            let closed = all.filter { $0.value.door != nil }.keys
            for lane in closed {
                all[lane]?.door = nil
                if all[lane]?.count ?? 0 > 0 { all[lane]?.due = .now }
            }
            return !closed.isEmpty
        }
        if isAny { bell.ring() }
    }
}
