// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Whether a text is a unit (The Unified Code for Units of Measure, version 2.1, case-sensitive; ucum.org/ucum).
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
            let text = rest[..<Self.endOfName(rest)]
            guard Self.isFactor(text) || Self.isSimpleUnit(text) else { return false }
            rest = rest[text.endIndex...]
            return rest.first == "{" ? annotation() : true
        }

        /// Dots and slashes within brackets belong to a name, like that of `B[10.nV]`.
        private static func endOfName(_ text: Substring) -> Substring.Index {
            var isInBrackets = false
            for index in text.indices {
                switch text[index] {
                case "[": isInBrackets = true
                case "]": isInBrackets = false
                case ".", "/", "(", ")", "{": if !isInBrackets { return index }
                default: break
                }
            }
            return text.endIndex
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
            // The exponent: an optional sign and digits. Names end in digits only within brackets, but for 10*.
            var unit = text
            while let last = unit.last, last.isASCII, last.isNumber { unit = unit.dropLast() }
            guard unit.count < text.count else { return false }
            if let last = unit.last, last == "+" || last == "-" { unit = unit.dropLast() }
            return isAtom(unit)
        }

        private static func isAtom(_ text: Substring) -> Bool {
            if UCUM.metric.contains(text) || UCUM.plain.contains(text) { return true }
            return UCUM.prefixes.contains { text.hasPrefix($0) && UCUM.metric.contains(text.dropFirst($0.count)) }
        }

        @discardableResult
        private mutating func take(_ character: Character) -> Bool {
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
    }
}
