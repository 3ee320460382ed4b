// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// When which points of a device are read. Pure: moments come in as arguments.
struct PollSchedule {
    private struct Group {
        /// Microseconds.
        var every: Int64
        var due: ContinuousClock.Instant
    }

    private let sources: [RegisterSource]
    private let limits: ModbusLimits
    private let cost: RequestCost
    private var groups: [Group]
    private var cuts = PollCuts()
    /// Plans already made, by which groups are due.
    private var plans: [UInt64: [ReadRequest]] = [:]

    /// All intervals begin together, so that points of different ones share requests whenever they fall together.
    init(
        _ sources: [RegisterSource], _ limits: ModbusLimits, _ cost: RequestCost, start: ContinuousClock.Instant
    ) {
        self.sources = sources
        self.limits = limits
        self.cost = cost
        groups = Set(sources.map(\.every)).sorted().prefix(64).map { Group(every: $0, due: start) }
    }

    var nextDue: ContinuousClock.Instant? { groups.map(\.due).min() }

    /// When what is due next falls due once more: until then it should be answered.
    var nextDeadline: ContinuousClock.Instant? {
        guard let nextDue else { return nil }
        return groups.filter { $0.due == nextDue }.map { $0.due + .microseconds($0.every) }.min()
    }

    /// The requests of what is due, and how many polls were missed since the last.
    ///
    /// The next deadline follows from the last, not from now, so that intervals do not drift; what was missed is
    /// skipped and counted, never queued up.
    mutating func take(at now: ContinuousClock.Instant) -> (requests: [ReadRequest], missed: Int) {
        var key: UInt64 = 0
        var missed = 0
        for index in groups.indices where groups[index].due <= now {
            key |= 1 << UInt64(index)
            let every = Duration.microseconds(groups[index].every)
            groups[index].due += every
            if groups[index].due <= now {
                let late = groups[index].due.duration(to: now).microseconds / groups[index].every + 1
                missed += Int(late)
                groups[index].due += every * Int(late)
            }
        }
        return (plan(key), missed)
    }

    private mutating func plan(_ key: UInt64) -> [ReadRequest] {
        if let known = plans[key] { return known }
        let due = Set(groups.indices.filter { key >> UInt64($0) & 1 == 1 }.map { groups[$0].every })
        let last = groups.last?.every
        // Of more than 64 intervals the longest ones are read with the 64th.
        let wanted = sources.enumerated().filter { due.contains(min($0.element.every, last ?? $0.element.every)) }
        let plan = PollPlan.requests(for: wanted.map { ($0.offset, $0.element) }, limits, cost, cuts)
        if plans.count < 256 { plans[key] = plan }
        return plan
    }

    /// Takes apart a request whose addresses the device refuses, for good.
    /// - Returns: what is to be asked instead; nil where it is one point already.
    mutating func split(_ request: ReadRequest) -> [ReadRequest]? {
        guard let parts = cuts.split(request, request.points.map { ($0, sources[$0]) }, limits, cost) else {
            return nil
        }
        plans.removeAll()
        return parts
    }

    /// Puts everything off: a device that is offline is asked less often.
    mutating func postpone(until moment: ContinuousClock.Instant) {
        for index in groups.indices { groups[index].due = max(groups[index].due, moment) }
    }
}

extension Duration {
    var microseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
