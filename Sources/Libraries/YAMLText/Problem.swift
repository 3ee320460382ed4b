// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

/// One mistake in a file: where it is, what is wrong and what to write instead.
public struct Problem: Hashable, Sendable, CustomStringConvertible {
    public var file: String
    /// Both from 1.
    public var line: Int
    public var column: Int
    public var code: Code
    public var message: String
    /// What to write instead; empty where the message says it.
    public var fix: String

    public init(file: String, line: Int, column: Int, code: Code, message: String, fix: String) {
        self.file = file
        self.line = line
        self.column = column
        self.code = code
        self.message = message
        self.fix = fix
    }

    public var description: String {
        "\(file):\(line):\(column): \(code): \(message)" + (fix.isEmpty ? "" : "; \(fix)")
    }
}

/// Gathers the mistakes, so that a user mends them in one go.
public final class Problems {
    /// More are not gathered: they are often of one cause, and an endless list hides it.
    public static let most = 100

    public private(set) var all: [Problem] = []
    /// Whether there are more mistakes than are gathered.
    public private(set) var areMore = false

    /// Whether a device map has to have examples, and they have to be right.
    public let provesExamples: Bool
    /// Whether what the system has is looked at too: files of secrets and certificates, folders.
    public let provesEnvironment: Bool

    /// The keys that were read, by line and column; nil where they are not counted.
    var keysRead: Set<Place>?

    struct Place: Hashable {
        var line: Int
        var column: Int
    }

    /// - Parameter recordsKeys: whether `YAMLMapping.keysNotRead` is to be asked later.
    public init(provesExamples: Bool = true, provesEnvironment: Bool = false, recordsKeys: Bool = false) {
        keysRead = recordsKeys ? [] : nil
        self.provesExamples = provesExamples
        self.provesEnvironment = provesEnvironment
    }

    public func add(_ problem: Problem) {
        if isFull { areMore = true } else { all.append(problem) }
    }

    /// Whether it is of no use to look for further mistakes.
    public var isFull: Bool { all.count >= Self.most }

    public var isEmpty: Bool { all.isEmpty }

    /// In the order in which a reader meets them.
    public var sorted: [Problem] {
        all.sorted { ($0.file, $0.line, $0.column) < ($1.file, $1.line, $1.column) }
    }
}
