// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

// What a formula can amount to while its inputs lie within bounds, by interval arithmetic (IEEE 1788 without its decorations).
// The bounds are never too narrow; they may be too wide.

extension Program {
    /// The bounds of what nothing is known of.
    public static let anything = -Double.infinity...Double.infinity

    /// What the good values of a point can be, as far as its map says.
    public struct Domain: Sendable {
        public var bounds = Program.anything
        public var isWhole = false
        /// All texts that it can have; empty where it can have any.
        public var labels: [String] = []

        public init() {}

        /// Yes or no.
        public static var truth: Domain {
            var truth = Domain()
            (truth.bounds, truth.isWhole) = (0...1, true)
            return truth
        }
    }

    /// Whether a condition can be yes.
    /// - Parameters:
    ///   - other: a condition that is not yes meanwhile.
    ///   - domain: what the point of an input can be.
    public func canHold(whileNot other: Program? = nil, _ domain: (Input) -> Domain) -> Bool {
        guard isBoolean else { return true }
        return self != other && Worlds(self, whileNot: other, domain).contains()
    }

    fileprivate var constants: [Double] {
        instructions.compactMap { if case .constant(let number) = $0 { number } else { nil } }
    }

    /// - Parameter input: the bounds of an input; nil where it is unknown.
    /// - Returns: nil where that leaves it unknown.
    fileprivate func bounds(_ input: (Input) -> Bounds.Interval?) -> Bounds.Interval? {
        var stack: [Bounds.Interval?] = []
        func pop() -> Bounds.Interval? { stack.popLast() ?? Bounds.all }
        for instruction in instructions {
            switch instruction {
            case .constant(let number): stack.append(number...number)
            case .input(let place): stack.append(input(inputs[place]))
            case .convert(let scale, let offset):
                stack.append(pop().map { Bounds.plus(Bounds.times($0, scale...scale), offset...offset) })
            case .unary(let sign): stack.append(pop().map { Bounds.apply(sign, $0) })
            case .binary(let sign):
                let other = pop()
                stack.append(Bounds.combine(sign, pop(), other))
            case .select:
                let (no, yes) = (pop(), pop())
                stack.append(pop().flatMap { Bounds.select($0, yes, no) })
            }
        }
        return pop()
    }
}

/// All that the inputs of a condition can be together, in parts within which comparisons with its constants are alike.
private struct Worlds {
    typealias Part = Bounds.Interval

    /// Beyond so many, inputs are not divided.
    private static let most = 4_096

    let condition: Program
    let other: Program?
    private let inputs: [Program.Input]
    private let domains: [Program.Domain]
    private let parts: [[Part]]

    init(_ condition: Program, whileNot other: Program?, _ domain: (Program.Input) -> Program.Domain) {
        self.condition = condition
        self.other = other
        var inputs: [Program.Input] = []
        for input in condition.inputs + (other?.inputs ?? []) where !inputs.contains(input) { inputs.append(input) }
        let domains = inputs.map(domain)
        let constants = Set(condition.constants + (other?.constants ?? [])).sorted()
        let wholes = zip(inputs, domains).map { input, domain in
            switch input.look {
            case .value: domain
            case .equals, .quality, .reason: Program.Domain.truth
            case .rate, .change: Program.Domain()
            }
        }
        var parts = wholes.map { Self.parts($0, constants) }
        if parts.reduce(1, { $0 > Self.most ? $0 : $0 * $1.count }) > Self.most { parts = wholes.map { [$0.bounds] } }
        (self.inputs, self.domains, self.parts) = (inputs, domains, parts)
    }

    /// Below, at and above each constant; of whole numbers those that there are.
    private static func parts(_ domain: Program.Domain, _ constants: [Double]) -> [Part] {
        let whole = domain.bounds
        var parts: [Part] = []
        func add(_ low: Double, _ high: Double) {
            let (low, high) = domain.isWhole ? (low.rounded(.up), high.rounded(.down)) : (low, high)
            if low <= high { parts.append(low...high) }
        }
        var low = whole.lowerBound
        let ends: [Double] = domain.isWhole && whole == 0...1 ? [0] : []
        for constant in Set(constants.filter(whole.contains) + ends).sorted() {
            if low < constant { add(low, constant.nextDown) }
            add(constant, constant)
            low = constant.nextUp
        }
        if low <= whole.upperBound { add(low, whole.upperBound) }
        return parts
    }

    /// Whether the condition holds in one of them.
    func contains(_ chosen: [Part] = []) -> Bool {
        guard chosen.count < parts.count else { return isPossible(chosen) && holds(chosen) }
        return parts[chosen.count].contains { contains(chosen + [$0]) }
    }

    private func holds(_ chosen: [Part]) -> Bool {
        let found = found(chosen)
        guard let bounds = condition.bounds({ found[$0] ?? nil }), Bounds.canBeYes(bounds) else { return false }
        return other.map { $0.bounds { found[$0] ?? nil } != Bounds.yes } ?? true
    }

    /// A point has one text, one quality and one reason.
    private func isPossible(_ chosen: [Part]) -> Bool {
        var known: [Program.Input: Program.Input.Look] = [:]
        for (input, part) in zip(inputs, chosen) where part == Bounds.yes && input.asks != nil {
            var subject = input
            subject.look = input.asks ?? input.look
            if known.updateValue(input.look, forKey: subject) != nil { return false }
        }
        return true
    }

    /// What is found of each input: nothing of the value of a point that is not good.
    private func found(_ chosen: [Part]) -> [Program.Input: Part?] {
        var isUnknown: Set<Program.Input> = []
        var denied: [Program.Input: Set<String>] = [:]
        for ((input, domain), part) in zip(zip(inputs, domains), chosen) {
            switch input.look {
            case .quality(let quality):
                if part == (quality == .good ? Bounds.no : Bounds.yes) { isUnknown.insert(input.point(.value)) }
            case .equals(let text) where part == Bounds.no:
                denied[input.point(.value), default: []].insert(text)
                // It has one of its texts, or it is not good.
                if denied[input.point(.value)]?.isSuperset(of: domain.labels) ?? false, !domain.labels.isEmpty {
                    isUnknown.insert(input.point(.value))
                }
            default: break
            }
        }
        var found: [Program.Input: Part?] = [:]
        for (input, part) in zip(inputs, chosen) {
            switch input.look {
            case .value, .equals, .rate:
                found.updateValue(isUnknown.contains(input.point(.value)) ? nil : part, forKey: input)
            case .quality, .reason, .change: found.updateValue(part, forKey: input)
            }
        }
        return found
    }
}

extension Program.Input {
    fileprivate func point(_ look: Look) -> Program.Input { Program.Input(device: device, point: point, look: look) }

    /// For what can be one thing at a time, the same of all that it can be.
    fileprivate var asks: Look? {
        switch look {
        case .equals: .equals("")
        case .quality: .quality(.good)
        case .reason: .reason(.none)
        case .value, .rate, .change: nil
        }
    }
}

/// Arithmetic of intervals. Of yes and no, 1 and 0, an interval has both where it is not known which.
private enum Bounds {
    typealias Interval = ClosedRange<Double>

    static let all = Program.anything
    static let yes: Interval = 1...1
    static let no: Interval = 0...0

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

    static func plus(_ one: Interval, _ other: Interval) -> Interval {
        hull(one.lowerBound + other.lowerBound, one.upperBound + other.upperBound)
    }

    static func times(_ one: Interval, _ other: Interval) -> Interval {
        // Nothing of an endless many is nothing: no number is endless itself.
        func product(_ one: Double, _ other: Double) -> Double { one == 0 || other == 0 ? 0 : one * other }
        return hull(
            product(one.lowerBound, other.lowerBound), product(one.lowerBound, other.upperBound),
            product(one.upperBound, other.lowerBound), product(one.upperBound, other.upperBound))
    }

    static func apply(_ sign: Program.Unary, _ one: Interval) -> Interval {
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

    /// Nil where it is unknown. What is known or unknown, as it depends on what is not known, counts as known.
    static func combine(_ sign: Program.Binary, _ one: Interval?, _ other: Interval?) -> Interval? {
        if let one, let other { return apply(sign, one, other) }
        guard let known = one ?? other else { return nil }
        switch sign {
        case .and: return canBeNo(known) ? no : nil
        case .or: return canBeYes(known) ? yes : nil
        default: return nil
        }
    }

    private static func apply(_ sign: Program.Binary, _ one: Interval, _ other: Interval) -> Interval {
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

    static func select(_ condition: Interval, _ yes: Interval?, _ no: Interval?) -> Interval? {
        guard canBeYes(condition) else { return no }
        guard canBeNo(condition) else { return yes }
        guard let yes, let no else { return yes ?? no }
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
