// Headgate
// SPDX-License-Identifier: Apache-2.0

/// One mistake in a file: where it is, what is wrong and what would be right.
package struct Problem: Hashable, Sendable, CustomStringConvertible {
    package var file: String
    /// Both from 1.
    package var line: Int
    package var column: Int
    package var message: String
    /// What to write instead; empty where the message says it.
    package var fix: String

    package init(file: String, line: Int, column: Int, message: String, fix: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.fix = fix
    }

    package var description: String {
        "\(file):\(line):\(column): \(message)" + (fix.isEmpty ? "" : "; \(fix)")
    }
}

/// Gathers every mistake, so that a user mends them in one go.
package final class Problems {
    package private(set) var all: [Problem] = []

    package init() {}

    package func add(_ problem: Problem) {
        all.append(problem)
    }

    package var isEmpty: Bool { all.isEmpty }

    /// In the order in which a reader meets them.
    package var sorted: [Problem] {
        all.sorted { ($0.file, $0.line, $0.column) < ($1.file, $1.line, $1.column) }
    }
}
