// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Whether a text is a unit (The Unified Code for Units of Measure, version 2.2, case-sensitive; ucum.org/ucum).
///
/// `var` and `B[mW]` are let through too: meters and radios have them, UCUM does not yet.
public enum UCUM {
    public static func isUnit(_ text: String) -> Bool {
        !text.isEmpty && UnitOfMeasure(text) != nil
    }

    /// Femtotonnes and picohenries are not what is meant.
    static func isMeantOtherwise(_ text: String) -> Bool { others[text] != nil }

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
}
