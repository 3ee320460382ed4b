// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A name, or many: `*` stands for any part of one.
public struct NamePattern: Sendable, Equatable {
    public let text: String

    public init(_ text: String) {
        self.text = text
    }

    public func matches(_ name: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
        guard let first = parts.first, let last = parts.last, parts.count > 1 else { return text == name }
        var rest = name.utf8[...]
        guard rest.starts(with: first), rest.count >= first.count + last.count else { return false }
        rest = rest.dropFirst(first.count)
        guard rest.suffix(last.count).elementsEqual(last) else { return false }
        rest = rest.dropLast(last.count)
        // Each part where it is found first leaves most to the others.
        for part in parts.dropFirst().dropLast() {
            guard let end = Self.end(of: part, in: rest) else { return false }
            rest = rest[end...]
        }
        return true
    }

    private static func end(of part: Substring.UTF8View, in text: Substring.UTF8View) -> String.Index? {
        var rest = text
        while rest.count >= part.count {
            if rest.starts(with: part) { return rest.index(rest.startIndex, offsetBy: part.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}
