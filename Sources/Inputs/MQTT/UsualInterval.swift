// Headgate
// SPDX-License-Identifier: Apache-2.0

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
    private static let fewest = 4

    /// What the map says; nil where it is learnt.
    private let fixed: Duration?
    private var intervals: [Duration] = []
    private var next = 0
    private var burstBegan: ContinuousClock.Instant?
    private(set) var heard: ContinuousClock.Instant?

    init(fixed: Duration? = nil) {
        self.fixed = fixed
    }

    mutating func hear(at now: ContinuousClock.Instant) {
        heard = now
        guard fixed == nil else { return }
        if let burstBegan {
            let interval = burstBegan.duration(to: now)
            guard interval >= Self.burst else { return }
            if intervals.count < Self.mostKept { intervals.append(interval) } else { intervals[next] = interval }
            next = (next + 1) % Self.mostKept
        }
        burstBegan = now
    }

    /// The silence after which it is gone; nil while that is not known.
    ///
    /// The second longest of its last intervals is the usual one: some devices send when there is news and every now and
    /// then, and one long silence, which may have been an outage, is no habit yet.
    var limit: Duration? {
        if let fixed { return fixed }
        guard intervals.count >= Self.fewest else { return nil }
        return max(Self.shortest, intervals.sorted()[intervals.count - 2] * Self.patience)
    }

    /// - Parameter listening: since when what it sends would have been heard.
    func isOver(at now: ContinuousClock.Instant, listening: ContinuousClock.Instant) -> Bool {
        guard let limit else { return false }
        return max(heard ?? listening, listening).duration(to: now) > limit
    }
}
