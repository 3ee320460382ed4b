// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// Whose request goes next on a link. Pure: moments come in as arguments.
///
/// Critical points first, then the poll that is begun, then the earliest deadline: that keeps the deadlines. Two rules are
/// for when it does not: a unit that does not answer waits until all that do have had their turn, as it costs a timeout
/// each time; and once a deadline has passed, a unit that has had more than its share of the link lately waits for those
/// that have not.
struct LinkTurns {
    /// What a unit wants.
    struct Wish: Equatable {
        /// When its poll falls due.
        var due: Moment
        /// When it should have been answered: as the next one falls due.
        var deadline: Moment
        /// Whether it has points of the critical lane.
        var isCritical = false
        /// Whether it did not answer the last time.
        var isSilent = false
        /// Whether a part of its poll is done: what is read together is read at one time.
        var isBegun = false
    }

    /// The share of the link that a unit has had is forgotten by half in this time.
    private static let halfLife = 4.0

    /// Small and trivially copied, as all are looked at for each request.
    private struct Unit {
        var due: Moment
        var deadline: Moment
        var isCritical: Bool
        var isSilent: Bool
        var isBegun: Bool
        /// Seconds of the link, each weighed by `weight` of its moment: so that nothing has to be decayed.
        var used = 0.0

        init(_ wish: Wish) {
            due = wish.due
            deadline = wish.deadline
            isCritical = wish.isCritical
            isSilent = wish.isSilent
            isBegun = wish.isBegun
        }
    }

    private var units: [Unit]
    /// Where weights are 1.
    private var origin: Moment

    init(_ wishes: [Wish], now: Moment) {
        origin = now
        units = wishes.map(Unit.init)
    }

    /// How many units do not answer.
    var silent: Int { units.count(where: \.isSilent) }

    /// How long a unit that did not answer is left alone at least: those that do not take a fortieth of their link's time
    /// together, while others do; after half a minute each is asked all the same.
    /// - Parameters:
    ///   - cost: how long the link waited for it.
    ///   - silent: how many of the link's units do not answer.
    static func rest(after cost: Duration, silent: Int) -> Duration { min(cost * 40 * silent, .seconds(30)) }

    /// When the next poll falls due; nil where there is no unit.
    var nextDue: Moment? { units.lazy.map(\.due).min() }

    /// The unit to ask now; nil where nothing is due.
    func next(at now: Moment) -> Int? {
        let isLate = units.contains { $0.due <= now && $0.deadline < now }
        // Who has the link all the time comes to its half-life over the logarithm of 2.
        let whole = isLate ? Self.halfLife / log(2) * weight(at: now) : .infinity
        var best: (unit: Int, rank: Rank)?
        for unit in units.indices where units[unit].due <= now {
            let rank = rank(of: units[unit], whole: whole)
            if let known = best?.rank, !(rank < known) { continue }
            best = (unit, rank)
        }
        return best?.unit
    }

    /// Notes that a unit had the link for a while, and what it wants next.
    /// - Parameter since: from when on it had the link.
    mutating func had(_ unit: Int, since: Moment, wants wish: Wish, now: Moment) {
        let used = units[unit].used + Double(now.nanoseconds(since: since)) / 1e9 * weight(at: now)
        units[unit] = Unit(wish)
        units[unit].used = used
        if now.nanoseconds(since: origin) > 400_000_000_000 { move(origin: now) }
    }

    private func weight(at moment: Moment) -> Double {
        exp2(Double(moment.nanoseconds(since: origin)) / 1e9 / Self.halfLife)
    }

    /// Before the weights become too large to be told.
    private mutating func move(origin now: Moment) {
        let weight = weight(at: now)
        for unit in units.indices { units[unit].used /= weight }
        origin = now
    }

    private struct Rank: Comparable {
        /// One bit for each rule that puts a unit behind others, the weightiest first.
        var behind: UInt8
        var deadline: Moment

        static func < (one: Rank, other: Rank) -> Bool {
            one.behind != other.behind ? one.behind < other.behind : one.deadline < other.deadline
        }
    }

    /// - Parameter whole: what a unit has used that had the link all the time.
    private func rank(of unit: Unit, whole: Double) -> Rank {
        // An equal part for each unit; half the link for one with critical points.
        let equal = 1 / Double(units.count)
        let isBeyondShare = unit.used > whole * (unit.isCritical ? max(equal, 0.5) : equal)
        let isOrdinary = !unit.isCritical || isBeyondShare
        let behind: UInt8 =
            (unit.isSilent ? 8 : 0) | (isOrdinary ? 4 : 0) | (unit.isBegun ? 0 : 2) | (isBeyondShare ? 1 : 0)
        return Rank(behind: behind, deadline: unit.deadline)
    }
}
