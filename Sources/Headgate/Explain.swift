// Headgate
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Codes
import FoundationEssentials
import Glibc

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain a code, or a word of an event: what it means, why it happens and what to do.",
        discussion: """
            Every mistake of `headgate check`, and every warning and error of a gateway, begins with a code such as \
            HG0110. Without an argument the command lists all codes.

              headgate explain HG0110       a code
              headgate explain timeout      the reason of a reading, a loss, an alarm or a write
              headgate explain | grep topic
            """)

    @Argument(help: "A code (HG0110, or 110), or a word such as timeout.")
    var code: String?

    @Flag(help: "Print JSON.")
    var json = false

    private struct Report: Encodable {
        var code: String
        var title: String
        var text: String

        init(_ explanation: Explanation) {
            code = explanation.code.description
            title = explanation.title
            text = explanation.text
        }
    }

    func run() throws {
        guard let code else {
            if json { return try printJSON(Explanation.all.map(Report.init)) }
            return print(Table.text(["code", "meaning"], Explanation.all.map { [$0.code.description, $0.title] }))
        }
        let found = explanations(of: code)
        guard !found.isEmpty else {
            throw fail(.usage, "\(code) is not a code: `headgate explain` lists all codes", EX_USAGE)
        }
        if json { return try printJSON(found.map(Report.init)) }
        print(found.map { "\($0.code): \($0.title)\n\n\($0.text)" }.joined(separator: "\n\n").replacing("**", with: ""))
    }

    /// One for a code; a word can have several.
    private func explanations(of text: String) -> [Explanation] {
        let number = UInt16(text.uppercased().hasPrefix("HG") ? text.dropFirst(2) : text[...])
        if let number, let code = Code(rawValue: number) { return code.explanation.map { [$0] } ?? [] }
        return Explanation.all.filter { $0.word == text }
    }
}
