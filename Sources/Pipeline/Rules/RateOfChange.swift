// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// How fast a point has changed over the last while: the difference to what it was then, by the time between.
struct RateOfChange {
    /// So many parts of the while are told from each other: what comes faster is not all kept.
    private static let resolution: Int64 = 32
    let over: Int64
    var kept: [(time: Timestamp, value: Double)] = []

    /// - Parameter over: microseconds.
    init(over: Int64) {
        self.over = over
    }

    /// A clock was set: what was before stays as long ago as it was.
    mutating func move(by microseconds: Int64) {
        for place in kept.indices { kept[place].time = kept[place].time.advanced(byMicroseconds: microseconds) }
    }

    /// - Returns: a second; not a number while less than half of the while is known, or too much between is not.
    mutating func add(_ value: Double, at time: Timestamp) -> Double {
        // Of before a clock was set back.
        if let last = kept.last, last.time > time { kept.removeAll() }
        while kept.count > 1, time.microseconds(since: kept[1].time) >= over { kept.removeFirst() }
        if let first = kept.first, time.microseconds(since: first.time) > over * 2 { kept.removeAll() }
        defer {
            if kept.last.map({ time.microseconds(since: $0.time) >= over / Self.resolution }) ?? true {
                kept.append((time, value))
            }
        }
        guard let first = kept.first else { return .nan }
        let elapsed = time.microseconds(since: first.time)
        guard elapsed >= over / 2, elapsed > 0 else { return .nan }
        return (value - first.value) / (Double(elapsed) / 1_000_000)
    }
}
