// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A unit of UCUM as what it is made of: value in base units = number × `factor` + `zero`.
public struct UnitOfMeasure: Sendable, Equatable {
    /// The powers of the base units, in the order of `UCUM.base`.
    private var powers = SIMD8<Int8>(repeating: 0)
    /// The powers of those that are nothing in others: of a scale of pH, of international units.
    private var own: [String: Int] = [:]
    private var factor = 1.0
    /// Where the scale begins: 273.15 for Cel. A difference or a rate of such a scale has none.
    private var zero = 0.0

    /// No unit, a number.
    public static let one = UnitOfMeasure()

    private init() {}

    /// - Parameter text: empty for none. Nil where it is no unit.
    public init?(_ text: String) {
        guard !text.isEmpty else {
            self.init()
            return
        }
        guard text.utf8.count <= 64, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !UCUM.isMeantOtherwise(text), let unit = Reader.unit(text, Self.atoms), unit.factor.isNormal
        else { return nil }
        self = unit
    }

    /// Whether what is measured in it is of the same kind: volts and millivolts, not volts and amperes.
    public func isCommensurable(with other: UnitOfMeasure) -> Bool {
        powers == other.powers && own == other.own
    }

    /// How a number in this unit is told in another; nil where that is of another kind.
    public func conversion(to other: UnitOfMeasure) -> (scale: Double, offset: Double)? {
        guard isCommensurable(with: other) else { return nil }
        return (factor / other.factor, (zero - other.zero) / other.factor)
    }

    /// Whether its scale begins elsewhere than others of its kind.
    public var hasZero: Bool { zero != 0 }

    private static let kelvin = UnitOfMeasure("K") ?? .one

    public var isTemperature: Bool { isCommensurable(with: Self.kelvin) }

    /// As a difference: 5 Cel more are 9 [degF] more, and not 41.
    public var asDifference: UnitOfMeasure {
        var unit = self
        unit.zero = 0
        return unit
    }

    /// The same size, counted from where another scale begins: of what is left of a difference that was added to it.
    func scaled(like other: UnitOfMeasure) -> UnitOfMeasure {
        var unit = self
        unit.zero = other.zero
        return unit
    }

    // MARK: Arithmetic

    public static func * (one: UnitOfMeasure, other: UnitOfMeasure) -> UnitOfMeasure { one.combined(other, 1) }

    public static func / (one: UnitOfMeasure, other: UnitOfMeasure) -> UnitOfMeasure { one.combined(other, -1) }

    private func combined(_ other: UnitOfMeasure, _ sign: Int) -> UnitOfMeasure {
        var unit = self
        unit.powers = sign > 0 ? powers &+ other.powers : powers &- other.powers
        unit.own.merge(other.own.mapValues { sign * $0 }) { $0 &+ $1 }
        unit.own = unit.own.filter { $0.value != 0 }
        unit.factor = sign > 0 ? factor * other.factor : factor / other.factor
        unit.zero = 0
        return unit
    }

    func power(_ exponent: Int) -> UnitOfMeasure {
        var unit = self
        unit.powers = powers &* SIMD8(repeating: Int8(truncatingIfNeeded: exponent))
        unit.own = exponent == 0 ? [:] : own.mapValues { $0 &* exponent }
        unit.factor = pow(factor, Double(exponent))
        if exponent != 1 { unit.zero = 0 }
        return unit
    }

    /// The unit whose square it is; nil where there is none, as of a litre.
    public var squareRoot: UnitOfMeasure? {
        guard powers.indices.allSatisfy({ powers[$0].isMultiple(of: 2) }),
            own.values.allSatisfy({ $0.isMultiple(of: 2) })
        else { return nil }
        var unit = self
        unit.powers = SIMD8(repeating: 0)
        for place in powers.indices { unit.powers[place] = powers[place] / 2 }
        unit.own = own.mapValues { $0 / 2 }
        unit.factor = factor.squareRoot()
        unit.zero = 0
        return unit
    }

    // MARK: Symbols

    /// Each symbol once.
    private static let atoms: [String: UnitOfMeasure] = {
        var known: [String: UnitOfMeasure] = [:]
        for (place, symbol) in UCUM.base.enumerated() {
            var unit = UnitOfMeasure()
            unit.powers[place] = 1
            known[symbol] = unit
        }
        for symbol in UCUM.ownMetric.union(UCUM.ownPlain) {
            var unit = UnitOfMeasure()
            unit.own = [symbol: 1]
            known[symbol] = unit
        }
        // Some are made of others that stand behind them.
        var open = UCUM.metric.merging(UCUM.plain) { $1 }
        while !open.isEmpty {
            let before = open.count
            for (symbol, meaning) in open {
                guard var unit = Reader.unit(meaning.unit, known) else { continue }
                unit.factor *= meaning.factor
                unit.zero = UCUM.zeros[symbol] ?? 0
                known[symbol] = unit
                open[symbol] = nil
            }
            if open.count == before { break }
        }
        return known
    }()

    private static func atom(_ symbol: Substring, _ known: [String: UnitOfMeasure]) -> UnitOfMeasure? {
        if let unit = known[String(symbol)] { return unit }
        for prefix in UCUM.prefixes where symbol.hasPrefix(prefix.symbol) {
            let rest = String(symbol.dropFirst(prefix.symbol.count))
            guard UCUM.takesPrefix(rest), var unit = known[rest] else { continue }
            unit.factor *= prefix.factor
            return unit
        }
        return nil
    }

    /// A term: units, factors and annotations with `.` and `/` between them, exponents behind, parentheses around.
    private struct Reader {
        private static let deepest = 8

        var rest: Substring
        let known: [String: UnitOfMeasure]

        static func unit(_ text: String, _ known: [String: UnitOfMeasure]) -> UnitOfMeasure? {
            var reader = Reader(rest: text[...], known: known)
            // It turns over what stands next to it, not all: /m.s is s/m.
            let isTurned = reader.take("/")
            guard let unit = reader.term(isTurned: isTurned, depth: 0), reader.rest.isEmpty else { return nil }
            return unit
        }

        private mutating func term(isTurned: Bool = false, depth: Int) -> UnitOfMeasure? {
            guard depth < Self.deepest, let first = component(depth) else { return nil }
            // Alone it keeps where its scale begins.
            var unit = isTurned ? .one / first : first
            while let sign = rest.first, sign == "." || sign == "/" {
                rest = rest.dropFirst()
                guard let next = component(depth) else { return nil }
                unit = sign == "/" ? unit / next : unit * next
            }
            return unit
        }

        private mutating func component(_ depth: Int) -> UnitOfMeasure? {
            if take("(") {
                guard let unit = term(depth: depth + 1), take(")") else { return nil }
                return unit
            }
            if rest.first == "{" { return annotation() ? .one : nil }
            let text = UCUM.name(at: rest)
            rest = rest[text.endIndex...]
            guard let unit = simple(text), rest.first != "{" || annotation() else { return nil }
            return unit
        }

        /// A factor, or a symbol with its exponent.
        private func simple(_ text: Substring) -> UnitOfMeasure? {
            if !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }) {
                return Double(text).map { number in
                    var unit = UnitOfMeasure()
                    unit.factor = number
                    return unit
                }
            }
            if let unit = UnitOfMeasure.atom(text, known) { return unit }
            let (symbol, exponent) = UCUM.exponent(of: text)
            guard let exponent, abs(exponent) < 32 else { return nil }
            return UnitOfMeasure.atom(symbol, known)?.power(exponent)
        }

        private mutating func annotation() -> Bool {
            guard let end = rest.firstIndex(of: "}"), !rest[..<end].dropFirst().contains("{") else { return false }
            rest = rest[rest.index(after: end)...]
            return true
        }

        private mutating func take(_ character: Character) -> Bool {
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
    }
}
