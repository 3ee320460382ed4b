// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

// What a formula can amount to while its inputs lie within bounds, by interval arithmetic (IEEE 1788 without its decorations).
// The bounds are never too narrow; they may be too wide.

extension Program {
    /// Inputs are divided at the constants of the formula, which makes comparisons with them exact; beyond so many parts they
    /// are not.
    private static let mostParts = 4_096

    /// The bounds of what nothing is known of.
    public static let anything = -Double.infinity...Double.infinity

    /// Whether a condition can be yes.
    /// - Parameter bounds: of each input, in the order of `inputs`.
    public func canHold(_ bounds: [ClosedRange<Double>]) -> Bool {
        guard isBoolean, bounds.count == inputs.count else { return true }
        var parts = bounds.map(parts)
        if parts.reduce(1, { $0 > Self.mostParts ? $0 : $0 * $1.count }) > Self.mostParts {
            parts = bounds.map { [$0] }
        }
        return canHold(parts, [])
    }

    private func canHold(_ parts: [[ClosedRange<Double>]], _ chosen: [ClosedRange<Double>]) -> Bool {
        guard chosen.count < parts.count else { return Bounds.canBeYes(self.bounds(chosen)) }
        return parts[chosen.count].contains { canHold(parts, chosen + [$0]) }
    }

    /// Below, at and above each constant.
    private func parts(_ whole: ClosedRange<Double>) -> [ClosedRange<Double>] {
        var constants = Set(
            instructions.compactMap {
                if case .constant(let number) = $0, whole.contains(number) { number } else { nil }
            })
        // Yes and no are two values.
        if whole == 0...1 { constants.formUnion([0, 1]) }
        var parts: [ClosedRange<Double>] = []
        var low = whole.lowerBound
        for constant in constants.sorted() {
            if low < constant { parts.append(low...constant.nextDown) }
            parts.append(constant...constant)
            low = constant.nextUp
        }
        if low <= whole.upperBound { parts.append(low...whole.upperBound) }
        return parts
    }

    private func bounds(_ inputs: [ClosedRange<Double>]) -> ClosedRange<Double> {
        var stack: [ClosedRange<Double>] = []
        for instruction in instructions {
            switch instruction {
            case .constant(let number): stack.append(number...number)
            case .input(let place): stack.append(inputs[place])
            case .convert(let scale, let offset):
                let one = Bounds.times(stack.popLast(), scale...scale)
                stack.append(Bounds.plus(one, offset...offset))
            case .unary(let sign): stack.append(Bounds.apply(sign, stack.popLast()))
            case .binary(let sign):
                let other = stack.popLast()
                stack.append(Bounds.apply(sign, stack.popLast(), other))
            case .select:
                let (no, yes) = (stack.popLast(), stack.popLast())
                stack.append(Bounds.select(stack.popLast(), yes, no))
            }
        }
        return stack.last ?? Bounds.all
    }
}

/// Arithmetic of intervals. Of yes and no, 1 and 0, an interval has both where it is not known which.
private enum Bounds {
    typealias Interval = ClosedRange<Double>

    static let all = Program.anything

    static func canBeYes(_ one: Interval) -> Bool { one != 0...0 }
    static func canBeNo(_ one: Interval) -> Bool { one.contains(0) }

    private static func truth(canBeYes: Bool, canBeNo: Bool) -> Interval {
        (canBeNo ? 0 : 1)...(canBeYes ? 1 : 0)
    }

    /// What no bound is a number of may be anything.
    private static func hull(_ ends: Double...) -> Interval {
        guard !ends.contains(where: \.isNaN), let low = ends.min(), let high = ends.max() else { return all }
        return low...high
    }

    static func plus(_ one: Interval?, _ other: Interval?) -> Interval {
        guard let one, let other else { return all }
        return hull(one.lowerBound + other.lowerBound, one.upperBound + other.upperBound)
    }

    static func times(_ one: Interval?, _ other: Interval?) -> Interval {
        guard let one, let other else { return all }
        // Nothing of an endless many is nothing: no number is endless itself.
        func product(_ one: Double, _ other: Double) -> Double { one == 0 || other == 0 ? 0 : one * other }
        return hull(
            product(one.lowerBound, other.lowerBound), product(one.lowerBound, other.upperBound),
            product(one.upperBound, other.lowerBound), product(one.upperBound, other.upperBound))
    }

    static func apply(_ sign: Program.Unary, _ one: Interval?) -> Interval {
        guard let one else { return all }
        let (low, high) = (one.lowerBound, one.upperBound)
        switch sign {
        case .minus: return -high...(-low)
        case .not: return truth(canBeYes: canBeNo(one), canBeNo: canBeYes(one))
        case .abs: return one.contains(0) ? 0...max(-low, high) : hull(Swift.abs(low), Swift.abs(high))
        case .round: return hull(low.rounded(), high.rounded())
        case .floor: return hull(low.rounded(.down), high.rounded(.down))
        case .ceil: return hull(low.rounded(.up), high.rounded(.up))
        case .sin, .cos: return -1...1
        case .sqrt: return low < 0 ? all : hull(low.squareRoot(), high.squareRoot())
        // The library's functions may be off by the last digit.
        case .exp, .ln, .log10, .tan: return all
        }
    }

    static func apply(_ sign: Program.Binary, _ one: Interval?, _ other: Interval?) -> Interval {
        guard let one, let other else { return all }
        switch sign {
        case .plus: return plus(one, other)
        case .minus: return plus(one, -other.upperBound...(-other.lowerBound))
        case .times: return times(one, other)
        case .over:
            if other.contains(0) { return all }
            return hull(
                one.lowerBound / other.lowerBound, one.lowerBound / other.upperBound, one.upperBound / other.lowerBound,
                one.upperBound / other.upperBound)
        case .min: return min(one.lowerBound, other.lowerBound)...min(one.upperBound, other.upperBound)
        case .max: return max(one.lowerBound, other.lowerBound)...max(one.upperBound, other.upperBound)
        case .power, .atan2: return all
        case .and:
            return truth(
                canBeYes: canBeYes(one) && canBeYes(other), canBeNo: canBeNo(one) || canBeNo(other))
        case .or:
            return truth(
                canBeYes: canBeYes(one) || canBeYes(other), canBeNo: canBeNo(one) && canBeNo(other))
        case .less: return less(one, other)
        case .more: return less(other, one)
        case .atMost: return not(less(other, one))
        case .atLeast: return not(less(one, other))
        case .equal: return equal(one, other)
        case .different: return not(equal(one, other))
        }
    }

    static func select(_ condition: Interval?, _ yes: Interval?, _ no: Interval?) -> Interval {
        guard let condition, let yes, let no else { return all }
        guard canBeYes(condition) else { return no }
        guard canBeNo(condition) else { return yes }
        return min(yes.lowerBound, no.lowerBound)...max(yes.upperBound, no.upperBound)
    }

    private static func not(_ one: Interval) -> Interval { apply(.not, one) }

    private static func less(_ one: Interval, _ other: Interval) -> Interval {
        truth(canBeYes: one.lowerBound < other.upperBound, canBeNo: one.upperBound >= other.lowerBound)
    }

    private static func equal(_ one: Interval, _ other: Interval) -> Interval {
        let areOne = one.lowerBound == one.upperBound && one == other
        return truth(canBeYes: one.overlaps(other), canBeNo: !areOne)
    }
}
