// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Yams

/// A value in a YAML file that knows where it stands. Reading it as something it is not records a problem.
public struct YAMLValue {
    let node: Node
    let file: String
    let problems: Problems
    /// What the value is for, in words: "outbox.max_size".
    public let path: String

    /// The text of a file as its top mapping, or nil with the problem recorded.
    public static func mapping(of text: String, file: String, problems: Problems) -> YAMLMapping? {
        do {
            guard let node = try Yams.compose(yaml: text) else {
                problems.add(
                    Problem(file: file, line: 1, column: 1, code: .emptyFile, message: "the file is empty", fix: ""))
                return nil
            }
            return YAMLValue(node: node, file: file, problems: problems, path: "").mapping()
        } catch {
            problems.add(Self.problem(from: error, file: file))
            return nil
        }
    }

    private static func problem(from error: any Error, file: String) -> Problem {
        switch error {
        case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _):
            Problem(
                file: file, line: mark.line, column: mark.column, code: .invalidYAML,
                message: "not valid YAML: \(problem)",
                fix: problem.contains("cannot start any token")
                    ? "write blanks for tabs, and quote what begins with a sign"
                    : "check the indentation, colons and quotes here")
        case YamlError.duplicatedKeysInMapping(let keys, let context):
            Problem(
                file: file, line: context.mark.line, column: context.mark.column,
                code: .duplicateKey,
                message:
                    "\(keys.map { "`\($0)`" }.joined(separator: ", ")) occurs twice in this mapping, the first time here",
                fix: "remove one of them, or rename it")
        case let error as YamlError:
            Problem(file: file, line: 1, column: 1, code: .invalidYAML, message: "not valid YAML: \(error)", fix: "")
        default:
            Problem(file: file, line: 1, column: 1, code: .invalidYAML, message: "not valid YAML: \(error)", fix: "")
        }
    }

    /// Records a mistake in this value.
    /// - Parameters:
    ///   - message: what is wrong, as a predicate: the key comes before it.
    ///   - fix: what to write instead.
    public func problem(_ code: Code, _ message: String, fix: String = "") {
        let mark = node.mark
        let subject = path.isEmpty ? "" : "`\(path)` "
        problems.add(
            Problem(
                file: file, line: mark?.line ?? 1, column: mark?.column ?? 1, code: code,
                message: subject + message, fix: fix))
    }

    public var provesExamples: Bool { problems.provesExamples }
    public var provesEnvironment: Bool { problems.provesEnvironment }

    /// From 1.
    public var line: Int { node.mark?.line ?? 1 }

    // MARK: Shapes

    /// The text of a scalar as written, without its quotes.
    public var scalar: String? {
        guard case .scalar(let scalar) = node else { return nil }
        return scalar.string
    }

    /// True where the scalar stands in quotes: then it is a text, whatever it looks like.
    public var isQuoted: Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.style == .singleQuoted || scalar.style == .doubleQuoted
    }

    public var isNull: Bool {
        !isQuoted && ["", "~", "null"].contains(scalar ?? "x")
    }

    public var isMapping: Bool {
        if case .mapping = node { true } else { false }
    }

    public var isSequence: Bool {
        if case .sequence = node { true } else { false }
    }

    public func mapping() -> YAMLMapping? {
        guard case .mapping(let mapping) = node else {
            problem(.notAMapping, "must be a mapping", fix: "write `key: value` lines below it, or { key: value }")
            return nil
        }
        return YAMLMapping(mapping: mapping, value: self)
    }

    public func sequence() -> [YAMLValue]? {
        guard case .sequence(let sequence) = node else {
            problem(.notAList, "must be a list", fix: "write [a, b]")
            return nil
        }
        return sequence.enumerated().map { index, node in
            YAMLValue(node: node, file: file, problems: problems, path: "\(path)[\(index)]")
        }
    }

    // MARK: Scalars

    /// A text. It has no NUL, at which the libraries in C would take it to end.
    public func string() -> String? {
        guard let scalar else {
            problem(.notAText, "must be a text")
            return nil
        }
        guard !scalar.utf8.contains(0) else {
            problem(.nulCharacter, "contains a NUL character", fix: "remove it")
            return nil
        }
        return scalar
    }

    public func boolean() -> Bool? {
        switch scalar {
        case "true": return true
        case "false": return false
        default:
            problem(.notABoolean, "must be true or false")
            return nil
        }
    }

    /// A whole number, decimal or hexadecimal (0x…).
    public func integer(in range: ClosedRange<Int>, _ what: String = "a whole number") -> Int? {
        guard let scalar, let value = Self.integer(scalar), range.contains(value) else {
            problem(.invalidInteger, "must be \(what) from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    public func number() -> Double? {
        guard let scalar, let value = Double(scalar), value.isFinite else {
            problem(.invalidNumber, "must be a number")
            return nil
        }
        return value
    }

    /// A duration in microseconds: a number and its unit.
    public func duration(atLeast least: Int64 = 1) -> Int64? {
        let microseconds = Self.measure(scalar ?? "", units: Self.durations)
        guard let microseconds, microseconds >= Double(min(0, least)), microseconds < 9e18 else {
            problem(
                .invalidDuration, "must be a duration",
                fix: "write a number and its unit, for example 300ms, 10s, 5min, 12h or 7d")
            return nil
        }
        guard microseconds >= Double(least) else {
            let unit = Self.durations.filter { least % Int64($0.1) == 0 }.max { $0.1 < $1.1 }
            problem(
                .valueOutOfBounds, "must be at least \(unit.map { "\(least / Int64($0.1))\($0.0)" } ?? "\(least)us")")
            return nil
        }
        return Int64(microseconds)
    }

    /// An amount of bytes.
    public func bytes() -> Int64? {
        let bytes = Self.measure(scalar ?? "", units: Self.sizes)
        guard let bytes, bytes >= 1, bytes < 9e18 else {
            problem(.invalidSize, "must be a size", fix: "write a number and its unit, for example 64MiB or 2GiB")
            return nil
        }
        return Int64(bytes)
    }

    /// One of a few words.
    public func word<Word>(_ words: KeyValuePairs<String, Word>) -> Word? {
        if let scalar, let found = words.first(where: { $0.key == scalar }) { return found.value }
        let nearest = scalar.flatMap { Spelling.nearest(to: $0, among: words.map(\.key)) }
        problem(
            .unknownWord, "must be one of \(words.map(\.key).joined(separator: ", "))",
            fix: nearest.map { "did you mean \($0)?" } ?? "")
        return nil
    }

    // MARK: Forms

    public static func integer(_ text: String) -> Int? {
        let isNegative = text.hasPrefix("-")
        let written = isNegative ? text.dropFirst() : text[...]
        let digits = written.hasPrefix("0x") ? written.dropFirst(2) : written
        // Swift would take a second sign.
        guard digits.first?.isHexDigit ?? false else { return nil }
        return Int((isNegative ? "-" : "") + digits, radix: written.hasPrefix("0x") ? 16 : 10)
    }

    private static let durations: [(String, Double)] = [
        ("us", 1), ("ms", 1e3), ("min", 60e6), ("s", 1e6), ("h", 3_600e6), ("d", 86_400e6),
    ]
    private static let sizes: [(String, Double)] = [
        ("KiB", 1_024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1),
    ]

    private static func measure(_ text: String, units: [(String, Double)]) -> Double? {
        guard let unit = units.first(where: { text.hasSuffix($0.0) }),
            let number = Double(text.dropLast(unit.0.count).filter { $0 != " " })
        else { return nil }
        return number * unit.1
    }
}
