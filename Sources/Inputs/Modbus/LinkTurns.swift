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
        /// Seconds of the link, decayed.
        var used = 0.0
        var usedAt: ContinuousClock.Instant
    }

    private var units: [Unit]

    init(_ wishes: [Wish], now: ContinuousClock.Instant) {
        units = wishes.map { Unit(wish: $0, usedAt: now) }
    }

    /// When the next poll falls due; nil where there is no unit.
    var nextDue: ContinuousClock.Instant? { units.map(\.wish.due).min() }

    /// The unit to ask now; nil where nothing is due.
    func next(at now: ContinuousClock.Instant) -> Int? {
        let isLate = units.contains { $0.wish.due <= now && $0.wish.deadline < now }
        var best: (unit: Int, rank: Rank)?
        for unit in units.indices where units[unit].wish.due <= now {
            let rank = rank(of: unit, isLate: isLate, at: now)
            if best.map({ rank < $0.rank }) ?? true { best = (unit, rank) }
        }
        return best?.unit
    }

    /// Notes that a unit had the link for a while, and what it wants next.
    mutating func had(_ unit: Int, for time: Duration, wants wish: Wish, now: ContinuousClock.Instant) {
        units[unit].used = used(by: unit, at: now) + time / .seconds(1)
        units[unit].usedAt = now
        units[unit].wish = wish
    }

    private func used(by unit: Int, at now: ContinuousClock.Instant) -> Double {
        units[unit].used * exp2(-(units[unit].usedAt.duration(to: now) / .seconds(1)) / Self.halfLife)
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

    private func rank(of unit: Int, isLate: Bool, at now: ContinuousClock.Instant) -> Rank {
        let wish = units[unit].wish
        return Rank(
            isSilent: wish.isSilent, isBeyondShare: isLate && isBeyondShare(unit, at: now),
            isOrdinary: !wish.isCritical, deadline: wish.deadline)
    }

    /// An equal part for each unit; half the link for one with critical points.
    private func isBeyondShare(_ unit: Int, at now: ContinuousClock.Instant) -> Bool {
        let equal = 1 / Double(units.count)
        // Who has the link all the time comes to its half-life over the logarithm of 2.
        let share = used(by: unit, at: now) / (Self.halfLife / log(2))
        return share > (units[unit].wish.isCritical ? max(equal, 0.5) : equal)
    }
}
