// Headgate
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// Colours, where a person looks: not into a pipe, not with NO_COLOR (no-color.org).
enum Style {
    private static let isOn = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil

    static func good(_ text: String) -> String { colour(text, 32) }
    static func warning(_ text: String) -> String { colour(text, 33) }
    static func bad(_ text: String) -> String { colour(text, 31) }
    static func dim(_ text: String) -> String { colour(text, 2) }

    static func quality(_ quality: String, _ reason: String?) -> String {
        let text = reason.map { "\(quality), \($0)" } ?? quality
        return switch quality {
        case "good": good(text)
        case "bad": bad(text)
        case "absent": dim(text)
        default: warning(text)
        }
    }

    static func state(_ state: String) -> String {
        switch state {
        case "online": good(state)
        case "offline": bad(state)
        default: dim(state)
        }
    }

    static func priority(_ text: String, _ priority: String) -> String {
        switch priority {
        case "high": bad(text)
        case "medium": warning(text)
        default: text
        }
    }

    private static func colour(_ text: String, _ code: Int) -> String {
        isOn ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}

/// Hands on what was printed: a pipe wants it now, not when a buffer is full. Ends the command, quietly, where the reader
/// has left.
func flush() throws {
    guard fflush(nil) == 0 else { throw ExitCode.success }
}

/// Columns that line up.
enum Table {
    static func text(_ head: [String], _ rows: [[String]], rightAligned: Set<Int> = []) -> String {
        let widths = head.indices.map { column in
            ([head] + rows).map { width($0[column]) }.max() ?? 0
        }
        return ([head.map(Style.dim)] + rows).map { row in
            row.indices.map { column in
                let blanks = String(repeating: " ", count: max(0, widths[column] - width(row[column])))
                return rightAligned.contains(column) ? blanks + row[column] : row[column] + blanks
            }.joined(separator: "  ").trimmingEnd()
        }.joined(separator: "\n")
    }

    /// Columns on the screen: escape sequences take none.
    private static func width(_ text: String) -> Int {
        var width = 0
        var isEscape = false
        for character in text {
            if character == "\u{1B}" { isEscape = true }
            if !isEscape { width += 1 }
            if isEscape, character == "m" { isEscape = false }
        }
        return width
    }
}

extension String {
    fileprivate func trimmingEnd() -> String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
