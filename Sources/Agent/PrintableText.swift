// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Texts of devices, brokers and others, as a terminal or a log may have them: they neither begin a line of their own nor
/// command the terminal.
public enum PrintableText {
    /// A text on one line, with what is no character that is seen written as `\u{…}`.
    public static func line(_ text: String) -> String { escaped(text, where: isControl) }

    /// A text of several lines.
    public static func lines(_ text: String) -> String { escaped(text) { $0 != "\n" && isControl($0) } }

    /// JSON with the same meaning, in which the control characters are escapes that JSON leaves as they are.
    public static func json(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return text.unicodeScalars.reduce(into: "") { json, scalar in
            guard isControl(scalar), scalar != "\n" else { return json.unicodeScalars.append(scalar) }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16)
                json += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            }
        }
    }

    private static func escaped(_ text: String, where isEscaped: (Unicode.Scalar) -> Bool) -> String {
        guard text.unicodeScalars.contains(where: isEscaped) else { return text }
        return text.unicodeScalars.reduce(into: "") { line, scalar in
            if isEscaped(scalar) {
                line += scalar.escaped(asASCII: true)
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }

    /// C0, DEL and C1, what ends a line elsewhere (U+2028, U+2029), and what turns the direction of writing.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format: true
        default: false
        }
    }
}
