// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Which blocks of each lane were committed a moment ago, by a clock that does not jump.
struct FreshBlocks {
    /// What is older has waited for an output that was away, and is backlog.
    private let age: Duration
    /// The blocks of a tenth of it go by their first.
    private let step: Duration

    private struct Mark {
        var block: Int64
        var at: ContinuousClock.Instant
    }

    private var marks = PerLane<[Mark]>(repeating: [])

    init(age: Duration) {
        self.age = age
        step = age / 10
    }

    /// What a lane has before `block` is old.
    mutating func begin(_ lane: Lane, at block: Int64, now: ContinuousClock.Instant = .now) {
        marks[lane] = [Mark(block: block, at: now)]
    }

    mutating func add(_ block: StoredBlock, now: ContinuousClock.Instant = .now) {
        let lane = block.lane
        if let last = marks[lane].last, now - last.at < step { return }
        marks[lane].removeAll { now - $0.at > age + step }
        marks[lane].append(Mark(block: block.id, at: now))
    }

    /// The first block of a lane that is fresh.
    /// - Parameter end: the number of the lane's next block.
    func first(_ lane: Lane, end: Int64, now: ContinuousClock.Instant = .now) -> Int64 {
        marks[lane].first { now - $0.at <= age }.map { min($0.block, end) } ?? end
    }
}
