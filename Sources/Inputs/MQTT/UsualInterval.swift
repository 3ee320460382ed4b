// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// How often a device is heard of, and after what silence it is taken for gone.
struct UsualInterval {
    /// So many times its usual interval.
    static let patience = 3
    /// However often it is heard of.
    static let shortest = Duration.seconds(10)
    /// What comes within it is said at once.
    private static let burst = Duration.seconds(1)
    private static let mostKept = 16
    /// Before it has come as often, nobody knows what is usual.
    private static let fewest = 8
    /// What comes when there is news has no interval: its long ones are so many times its usual ones.
    private static let irregular = 4

    private let silence: MQTTForm.Silence
    private var intervals: [Duration] = []
    private var next = 0
    private var burstBegan: ContinuousClock.Instant?
    private(set) var heard: ContinuousClock.Instant?

    init(_ silence: MQTTForm.Silence = .learnt) {
        self.silence = silence
    }

    mutating func hear(at now: ContinuousClock.Instant) {
        heard = now
        guard silence == .learnt else { return }
        if let burstBegan {
            let interval = burstBegan.duration(to: now)
            guard interval >= Self.burst else { return }
            if intervals.count < Self.mostKept { intervals.append(interval) } else { intervals[next] = interval }
            next = (next + 1) % Self.mostKept
        }
        burstBegan = now
    }

    /// It is there, without a reading: its silence begins anew, and what is usual for it stays.
    mutating func greet(at now: ContinuousClock.Instant) { heard = now }

    /// The silence after which it is gone; nil while that is not known.
    ///
    /// The second longest of its last intervals is the usual one: one long silence, which may have been an outage, is no
    /// habit yet.
    var limit: Duration? {
        switch silence {
        case .never: return nil
        case .after(let microseconds): return .microseconds(microseconds)
        case .learnt: break
        }
        guard intervals.count >= Self.fewest else { return nil }
        let sorted = intervals.sorted()
        let usual = sorted[sorted.count - 2]
        guard usual <= sorted[sorted.count / 2] * Self.irregular else { return nil }
        return max(Self.shortest, usual * Self.patience)
    }

    /// - Parameter listening: since when what it sends would have been heard.
    func isOver(at now: ContinuousClock.Instant, listening: ContinuousClock.Instant) -> Bool {
        guard let limit else { return false }
        return max(heard ?? listening, listening).duration(to: now) > limit
    }
}
