// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Whose request goes next on a link. Pure: moments come in as arguments.
///
/// Critical points first, then the earliest deadline: that keeps every deadline there is a way to keep. Two rules are for
/// when there is none: a unit that does not answer waits until all that do have had their turn, as it costs a timeout each
/// time; and once a deadline has passed, a unit that has had more than its share of the link lately waits for those that
/// have not.
struct LinkTurns {
    /// What a unit wants.
    struct Wish: Equatable {
        /// When its poll falls due.
        var due: ContinuousClock.Instant
        /// When it should have been answered: as the next one falls due.
        var deadline: ContinuousClock.Instant
        /// Whether it has points of the critical lane.
        var isCritical = false
        /// Whether it did not answer the last time.
        var isSilent = false
    }

    /// The share of the link that a unit has had is forgotten by half in this time.
    private static let halfLife = 4.0

    private struct Unit {
        var wish: Wish
        /// Seconds of the link, each weighed by `weight` of its moment: so that nothing has to be decayed.
        var used = 0.0
    }

    private var units: [Unit]
    /// Where weights are 1.
    private var origin: ContinuousClock.Instant

    init(_ wishes: [Wish], now: ContinuousClock.Instant) {
        units = wishes.map { Unit(wish: $0) }
        origin = now
    }

    /// How many units do not answer.
    var silent: Int { units.count { $0.wish.isSilent } }

    /// When the next poll falls due; nil where there is no unit.
    var nextDue: ContinuousClock.Instant? { units.map(\.wish.due).min() }

    /// The unit to ask now; nil where nothing is due.
    func next(at now: ContinuousClock.Instant) -> Int? {
        let isLate = units.contains { $0.wish.due <= now && $0.wish.deadline < now }
        // Who has the link all the time comes to its half-life over the logarithm of 2.
        let whole = isLate ? Self.halfLife / log(2) * weight(at: now) : .infinity
        var best: (unit: Int, rank: Rank)?
        for unit in units.indices where units[unit].wish.due <= now {
            let rank = rank(of: unit, whole: whole)
            if let known = best?.rank, !(rank < known) { continue }
            best = (unit, rank)
        }
        return best?.unit
    }

    /// Notes that a unit had the link for a while, and what it wants next.
    mutating func had(_ unit: Int, for time: Duration, wants wish: Wish, now: ContinuousClock.Instant) {
        units[unit].used += time / .seconds(1) * weight(at: now)
        units[unit].wish = wish
        if origin.duration(to: now) > .seconds(400) { move(origin: now) }
    }

    private func weight(at moment: ContinuousClock.Instant) -> Double {
        exp2(origin.duration(to: moment) / .seconds(1) / Self.halfLife)
    }

    /// Before the weights become too large to be told.
    private mutating func move(origin now: ContinuousClock.Instant) {
        let weight = weight(at: now)
        for unit in units.indices { units[unit].used /= weight }
        origin = now
    }

    private struct Rank: Comparable {
        var isSilent: Bool
        var isBeyondShare: Bool
        var isOrdinary: Bool
        var deadline: ContinuousClock.Instant

        static func < (one: Rank, other: Rank) -> Bool {
            if one.isSilent != other.isSilent { return other.isSilent }
            if one.isBeyondShare != other.isBeyondShare { return other.isBeyondShare }
            if one.isOrdinary != other.isOrdinary { return other.isOrdinary }
            return one.deadline < other.deadline
        }
    }

    /// - Parameter whole: what a unit has used that had the link all the time.
    private func rank(of unit: Int, whole: Double) -> Rank {
        let wish = units[unit].wish
        // An equal part for each unit; half the link for one with critical points.
        let equal = 1 / Double(units.count)
        let share = wish.isCritical ? max(equal, 0.5) : equal
        return Rank(
            isSilent: wish.isSilent, isBeyondShare: units[unit].used > whole * share, isOrdinary: !wish.isCritical,
            deadline: wish.deadline)
    }
}
