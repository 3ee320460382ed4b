// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// When what may be sent: an output may have a rate of its own, and messages that hold more the longer they wait.
struct ForwarderPace {
    private let rate: Int?
    private let gathering: Duration?
    /// When the next may go that is not critical.
    private var free: ContinuousClock.Instant?
    /// Lanes that gather, and until when.
    private var gathered: [Lane: ContinuousClock.Instant] = [:]
    /// Those of which something went since nothing was left.
    private var active: Set<Lane> = []

    /// - Parameters:
    ///   - rate: events a second.
    ///   - gathering: how long events that are not critical wait for others.
    init(rate: Int?, gathering: Duration?) {
        self.rate = rate
        self.gathering = gathering
    }

    /// Those of which something may go now.
    /// - Parameter isLast: whether nothing more will come to be waited for.
    func lanes(isLast: Bool, at now: ContinuousClock.Instant) -> Set<Lane> {
        if let free, free > now { return [.critical] }
        return Set(Lane.allCases.filter { isLast || gathered[$0].map { $0 <= now } ?? true })
    }

    /// When more of them may than at a moment; nil where all do.
    func next(after now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        ([free].compactMap(\.self) + gathered.values).filter { $0 > now }.min()
    }

    /// Events at once: little enough that a critical one waits for a twentieth of a second, and that polls have the cores in
    /// between.
    var window: Int { rate.map { max(1, $0 / 20) } ?? .max }

    mutating func sent(_ count: Int, of lane: Lane) {
        active.insert(lane)
        guard let rate else { return }
        free = max(free ?? .now, .now) + .microseconds(1_000_000 * Int64(count) / Int64(max(1, rate)))
    }

    /// Nothing is left for now: what comes next may wait for others. A backlog is no reason to wait.
    mutating func isThrough(at now: ContinuousClock.Instant) {
        // Of what had to stay behind for the rate there is more.
        if let free, free > now { return }
        defer { active = [] }
        guard let gathering else { return }
        for lane in active where lane != .critical { gathered[lane] = now + gathering }
    }
}
