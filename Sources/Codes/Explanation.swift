// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What a code means, why it happens and what to do: its section of `codes.md`.
public struct Explanation: Sendable {
    public let code: Code
    public let title: String
    /// Markdown, without the heading.
    public let text: String

    /// The word in `title` that events and warnings use for the code, for example `timeout`; nil for a code of a message.
    public var word: String? {
        let parts = title.split(separator: "`", omittingEmptySubsequences: false)
        return parts.count > 2 && parts[0].isEmpty ? String(parts[1]) : nil
    }

    /// All explanations, in the order of their codes.
    public static let all: [Explanation] = {
        let page = String(decoding: PackageResources.codes_md, as: UTF8.self)
        return page.split(separator: "\n## ").dropFirst().compactMap { section in
            let (heading, rest) = section.split(at: "\n")
            let (number, title) = heading.split(at: ": ")
            guard let code = Code(String(number)) else { return nil }
            // The heading of the next family belongs to none.
            let (text, _) = rest.split(at: "\n# ")
            return Explanation(code: code, title: String(title), text: String(text).trimmed())
        }
    }()

    /// The reference page: what `headgate explain` knows.
    public static var page: String { String(decoding: PackageResources.codes_md, as: UTF8.self) }
}

extension Code {
    public var explanation: Explanation? { Explanation.all.first { $0.code == self } }
}

extension StringProtocol {
    fileprivate func split(at separator: String) -> (SubSequence, SubSequence) {
        let parts = split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
        return (parts.first ?? self[startIndex..<startIndex], parts.count > 1 ? parts[1] : self[endIndex..<endIndex])
    }
}

extension String {
    fileprivate func trimmed() -> String {
        var text = self[...]
        while text.first?.isNewline ?? false { text = text.dropFirst() }
        while text.last?.isNewline ?? false { text = text.dropLast() }
        return String(text)
    }
}
