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
        public var age: [Duration] = [.milliseconds(20), .milliseconds(500), .seconds(5)]
        /// Readings and events that make a lane due at once.
        public var batch = 4_096
        /// Readings and events that may wait in a lane; beyond, new ones are shed and counted.
        public var waiting = 65_536

        public init() {}
    }

    /// What one lane has for a commit.
    struct Work {
        var lane: Lane
        var batch: Batch
        var shed: Shed?
        var receipts: [Receipt]
    }

    /// What a lane had to let go.
    struct Shed {
        var count: UInt64
        var since: Timestamp
        var until: Timestamp
    }

    private struct Pending {
        var batch = Batch()
        var due: ContinuousClock.Instant?
        var receipts: [Receipt] = []
        var shed: Shed?

        /// Set while commits fail: nothing is due before.
        var notBefore: ContinuousClock.Instant?

        var size: Int { Intake.size(of: batch) }
    }

    /// Readings and events, and long texts at the weight of a reading for each 64 bytes.
    private static func size(of batch: Batch) -> Int {
        batch.events.count + batch.readings.count + batch.textBytes / 64
    }

    private let limits: Limits
    private let shedCounter = Counter(label: "headgate_readings_shed_total")
    private let shedCount = Atomic<Int>(0)
    private let pending = Mutex([Lane: Pending]())
    /// Rings when something is due earlier than it was.
    let bell = Doorbell()

    init(limits: Limits) {
        self.limits = limits
    }

    /// Readings that there was no room for, since the start.
    public var shedReadings: Int { shedCount.load(ordering: .relaxed) }

    // MARK: In

    /// Takes a batch whose source cannot be asked again. What there is no room for is shed and announced.
    /// - Returns: false where the batch was shed.
    @discardableResult
    public func offer(_ batch: Batch, _ lane: Lane) -> Bool {
        add(batch, lane, receipt: nil)
    }

    /// Takes a batch of a source that waits to be told that it is safe: it is due at once.
    public func offer(_ batch: Batch, _ lane: Lane, _ receipt: Receipt) {
        receipt.expect()
        add(batch, lane, receipt: receipt)
    }

    @discardableResult
    private func add(_ batch: Batch, _ lane: Lane, receipt: Receipt?) -> Bool {
        let now = ContinuousClock.now
        let (isTaken, isEarlier) = pending.withLock { all in
            var one = all.removeValue(forKey: lane) ?? Pending()
            defer { all[lane] = one }
            let size = Self.size(of: batch)
            if receipt == nil, one.size + size > limits.waiting {
                Self.shed(batch, &one.shed)
                shedCounter.increment(by: batch.readings.count)
                shedCount.wrappingAdd(batch.readings.count, ordering: .relaxed)
                // A lane that has nothing else to commit has the loss to announce.
                if one.due != nil { return (false, false) }
                one.due = now + limits.age[Int(lane.rawValue)]
                return (false, true)
            }
            if one.batch.isEmpty { one.batch = batch } else { one.batch.append(batch) }
            if let receipt { one.receipts.append(receipt) }
            let isUrgent = receipt != nil || one.size >= limits.batch
            var due = isUrgent ? now : now + limits.age[Int(lane.rawValue)]
            if let notBefore = one.notBefore { due = max(due, notBefore) }
            guard one.due.map({ due < $0 }) ?? true else { return (true, false) }
            one.due = due
            return (true, true)
        }
        if isEarlier { bell.ring() }
        return isTaken
    }

    private static func shed(_ batch: Batch, _ shed: inout Shed?) {
        guard let first = batch.events.first, let last = batch.events.last else { return }
        var now = shed ?? Shed(count: 0, since: first.time, until: last.time)
        now.count += UInt64(batch.events.count)
        now.until = last.time
        shed = now
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
                guard let one = all[lane], let due = one.due, now.map({ due <= $0 }) ?? true else { continue }
                all[lane] = nil
                work.append(Work(lane: lane, batch: one.batch, shed: one.shed, receipts: one.receipts))
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
                    batch: one.batch, due: due, receipts: one.receipts, shed: one.shed, notBefore: due)
                if let since {
                    back.batch.append(since.batch)
                    back.receipts += since.receipts
                    if let shed = since.shed {
                        back.shed = Shed(
                            count: shed.count + (back.shed?.count ?? 0), since: back.shed?.since ?? shed.since,
                            until: shed.until)
                    }
                }
                all[one.lane] = back
            }
        }
        bell.ring()
    }
}
