// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Whether a text is a unit (The Unified Code for Units of Measure, version 2.2, case-sensitive; ucum.org/ucum).
///
/// `var` and `B[mW]` are let through too: meters and radios have them, UCUM does not yet.
public enum UCUM {
    public static func isUnit(_ text: String) -> Bool {
        guard text.utf8.count <= 64, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return false }
        // Femtotonnes and picohenries are not what is meant.
        guard others[text] == nil else { return false }
        var reader = Reader(rest: text[...])
        return reader.mainTerm() && reader.rest.isEmpty
    }

    /// The unit that people mean who write something else.
    public static func meant(by text: String) -> String? {
        if let known = others[text] ?? others[text.lowercased()] { return known }
        let plain = text.filter { $0 != " " }.map { plainCharacters[$0] ?? String($0) }.joined()
        return isUnit(plain) ? plain : nil
    }

    static func takesPrefix(_ symbol: String) -> Bool {
        base.contains(symbol) || metric[symbol] != nil || ownMetric.contains(symbol)
    }

    /// The symbol or number that a term begins with, its exponent included. Dots and slashes within brackets belong to a
    /// name, like that of `B[10.nV]`.
    static func name(at text: Substring) -> Substring {
        var isInBrackets = false
        for index in text.indices {
            switch text[index] {
            case "[": isInBrackets = true
            case "]": isInBrackets = false
            case ".", "/", "(", ")", "{": if !isInBrackets { return text[..<index] }
            default: break
            }
        }
        return text
    }

    /// A symbol and its exponent: an optional sign and digits. Names end in digits only within brackets, but for 10*.
    static func exponent(of text: Substring) -> (symbol: Substring, exponent: Int?) {
        var symbol = text
        while let last = symbol.last, last.isASCII, last.isNumber { symbol = symbol.dropLast() }
        let digits = text[symbol.endIndex...]
        guard !digits.isEmpty else { return (text, nil) }
        let sign = symbol.last
        if sign == "+" || sign == "-" { symbol = symbol.dropLast() }
        let number = Int(digits).map { sign == "-" ? -$0 : $0 }
        return (symbol, number)
    }

    /// A term: units, factors and annotations with `.` and `/` between them, exponents behind, parentheses around.
    private struct Reader {
        var rest: Substring

        mutating func mainTerm() -> Bool {
            take("/")
            return term(depth: 0)
        }

        private mutating func term(depth: Int) -> Bool {
            guard depth < 8, component(depth) else { return false }
            while take(".") || take("/") {
                guard component(depth) else { return false }
            }
            return true
        }

        private mutating func component(_ depth: Int) -> Bool {
            if take("(") { return term(depth: depth + 1) && take(")") }
            if rest.first == "{" { return annotation() }
            let text = UCUM.name(at: rest)
            guard Self.isFactor(text) || Self.isSimpleUnit(text) else { return false }
            rest = rest[text.endIndex...]
            return rest.first == "{" ? annotation() : true
        }

        private mutating func annotation() -> Bool {
            guard let end = rest.firstIndex(of: "}"), !rest[..<end].dropFirst().contains("{") else { return false }
            rest = rest[rest.index(after: end)...]
            return true
        }

        private static func isFactor(_ text: Substring) -> Bool {
            !text.isEmpty && text.allSatisfy { $0.isASCII && $0.isNumber }
        }

        private static func isSimpleUnit(_ text: Substring) -> Bool {
            if isAtom(text) { return true }
            let (unit, exponent) = UCUM.exponent(of: text)
            return exponent != nil && isAtom(unit)
        }

        private static func isAtom(_ text: Substring) -> Bool {
            let symbol = String(text)
            if UCUM.takesPrefix(symbol) || UCUM.plain[symbol] != nil || UCUM.ownPlain.contains(symbol) { return true }
            return UCUM.prefixes.contains {
                symbol.hasPrefix($0.symbol) && UCUM.takesPrefix(String(symbol.dropFirst($0.symbol.count)))
            }
        }

        @discardableResult
        private mutating func take(_ character: Character) -> Bool {
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
    }
}
