// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// When which points of a device are read. Pure: moments come in as arguments.
struct PollSchedule {
    private struct Group {
        /// Microseconds.
        var every: Int64
        var due: Moment
    }

    private let sources: [RegisterSource]
    private let limits: ModbusLimits
    /// What a request is worth, as measured by now.
    var cost: RequestCost {
        didSet { plans.removeAll() }
    }
    private var groups: [Group]
    /// What was learnt of the device.
    var cuts: PollCuts {
        didSet { plans.removeAll() }
    }
    /// Plans already made, by which groups are due.
    private var plans: [UInt64: Plan] = [:]

    /// What is due together.
    struct Plan {
        var requests: [ReadRequest]
        /// Points that are due and known not to be there.
        var refused: [Int]
    }

    /// All intervals begin together, so that points of different ones share requests whenever they fall together.
    init(
        _ sources: [RegisterSource], _ limits: ModbusLimits, _ cost: RequestCost, _ cuts: PollCuts = PollCuts(),
        start: Moment
    ) {
        self.sources = sources
        self.limits = limits
        self.cost = cost
        self.cuts = cuts
        groups = Set(sources.map(\.every)).sorted().prefix(64).map { Group(every: $0, due: start) }
    }

    var nextDue: Moment? { groups.lazy.map(\.due).min() }

    /// When what is due next falls due once more: until then it should be answered.
    var nextDeadline: Moment? {
        guard let nextDue else { return nil }
        // The groups are in the order of their intervals.
        return groups.first { $0.due == nextDue }.map { $0.due.advanced(byMicroseconds: $0.every) }
    }

    /// The plan of what is due, and how many polls were missed since the last.
    ///
    /// The next deadline follows from the last, not from now, so that intervals do not drift; what was missed is
    /// skipped and counted, never queued up.
    mutating func take(at now: Moment) -> (plan: Plan, missed: Int) {
        var key: UInt64 = 0
        var missed = 0
        for index in groups.indices where groups[index].due <= now {
            key |= 1 << UInt64(index)
            let every = groups[index].every
            groups[index].due = groups[index].due.advanced(byMicroseconds: every)
            if groups[index].due <= now {
                let late = now.microseconds(since: groups[index].due) / every + 1
                missed += Int(late)
                groups[index].due = groups[index].due.advanced(byMicroseconds: every * late)
            }
        }
        return (plan(key), missed)
    }

    private mutating func plan(_ key: UInt64) -> Plan {
        if let known = plans[key] { return known }
        let due = Set(groups.indices.filter { key >> UInt64($0) & 1 == 1 }.map { groups[$0].every })
        let last = groups.last?.every
        // Of more than 64 intervals the longest ones are read with the 64th.
        let wanted = sources.enumerated().filter { due.contains(min($0.element.every, last ?? $0.element.every)) }
            .map(\.offset)
        // What is not there is not read through either, whenever it would be due.
        let planned = Set(wanted).union(cuts.refused.keys).map { (place: $0, source: sources[$0]) }
        let plan = Plan(
            requests: PollPlan.requests(for: planned, limits, cost, cuts),
            refused: wanted.filter { cuts.refused[$0] != nil })
        if plans.count < 256 { plans[key] = plan }
        return plan
    }

    /// Puts everything off: a device that is offline is asked less often.
    mutating func postpone(until moment: Moment) {
        for index in groups.indices { groups[index].due = max(groups[index].due, moment) }
    }
}
