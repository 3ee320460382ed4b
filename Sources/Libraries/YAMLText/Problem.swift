// Headgate
// SPDX-License-Identifier: Apache-2.0

/// One mistake in a file: where it is, what is wrong and what would be right.
public struct Problem: Hashable, Sendable, CustomStringConvertible {
    public var file: String
    /// Both from 1.
    public var line: Int
    public var column: Int
    public var message: String
    /// What to write instead; empty where the message says it.
    public var fix: String

    public init(file: String, line: Int, column: Int, message: String, fix: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.fix = fix
    }

    public var description: String {
        "\(file):\(line):\(column): \(message)" + (fix.isEmpty ? "" : "; \(fix)")
    }
}

/// Gathers every mistake, so that a user mends them in one go.
public final class Problems {
    public private(set) var all: [Problem] = []

    public init() {}

    public func add(_ problem: Problem) {
        all.append(problem)
    }

    public var isEmpty: Bool { all.isEmpty }

    /// In the order in which a reader meets them.
    public var sorted: [Problem] {
        all.sorted { ($0.file, $0.line, $0.column) < ($1.file, $1.line, $1.column) }
    }
}
