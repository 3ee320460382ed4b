// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
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
        guard isOn, let place = codes.firstIndex(of: code) else { return text }
        return "\(marks[place])\(text)\(marks[0])"
    }

    private static let codes = [0, 2, 31, 32, 33]
    /// Characters that stand for the codes until the text is printed: what others have written is escaped before, so that no
    /// escape sequence but these comes to the terminal. They are of a plane for private use (Unicode, 23.5).
    private static let marks: [Unicode.Scalar] = {
        // Not always the same ones: a device cannot send them.
        let first = UInt32.random(in: 0xF0000...0xFFF00)
        return codes.indices.compactMap { Unicode.Scalar(first + UInt32($0)) }
    }()

    static func isMark(_ character: Character) -> Bool { character.unicodeScalars.contains(where: marks.contains) }

    /// A text as the terminal is to have it.
    fileprivate static func shown(_ text: String) -> String {
        guard isOn, text.contains(where: isMark) else { return text }
        return text.unicodeScalars.reduce(into: "") { shown, scalar in
            if let place = marks.firstIndex(of: scalar) {
                shown += "\u{1B}[\(codes[place])m"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
    }
}

/// Prints lines. Control characters in them are escaped.
///
/// Without a default of its own, or the standard library's function would be preferred to it.
func print(_ text: String) { print(text, terminator: "\n") }

func print(_ text: String, terminator: String) {
    Swift.print(Style.shown(PrintableText.lines(text)), terminator: terminator)
}

/// Prints one line, whatever is in it.
func printLine(_ text: String) { print(PrintableText.line(text)) }

/// Prints what others are to read as a file: as it is, but on a terminal.
func printFile(_ text: String) {
    isatty(STDOUT_FILENO) == 1 ? print(text, terminator: "") : Swift.print(text, terminator: "")
}

/// Prints JSON that a terminal may have, too.
func printJSON(line: String) {
    Swift.print(PrintableText.json(line))
}

/// Hands on what was printed: a pipe wants it now, not when a buffer is full. Ends the command, quietly, where the reader
/// has left.
func flush() throws {
    guard fflush(nil) == 0 else { throw ExitCode.success }
}

/// Columns that line up.
enum Table {
    static func text(_ head: [String], _ rows: [[String]], rightAligned: Set<Int> = []) -> String {
        let rows = rows.map { $0.map(PrintableText.line) }
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

    /// Columns on the screen: what stands for colours takes none.
    private static func width(_ text: String) -> Int { text.count { !Style.isMark($0) } }
}

extension String {
    fileprivate func trimmingEnd() -> String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
