// Headgate
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import Agent

@Suite("Printable text")
struct PrintableTextTests {
    @Test("what a stranger chose cannot begin a line of its own, nor command a terminal")
    func controlCharacters() {
        #expect(PrintableText.line("a\nb") == "a\\nb")
        #expect(PrintableText.line("a\u{1B}[2Jb\u{2028}c\u{202E}d") == "a\\u{1B}[2Jb\\u{2028}c\\u{202E}d")
        #expect(PrintableText.line("wards/β ü, \"x\" \\n") == "wards/β ü, \"x\" \\n")
    }

    @Test("a text of several lines keeps them, and nothing else that moves the cursor")
    func lines() {
        #expect(PrintableText.lines("a\nb\rc\u{7F}\u{9B}2J\t") == "a\nb\\rc\\u{7F}\\u{009B}2J\\t")
    }

    @Test("JSON keeps its meaning")
    func json() throws {
        let json = #"{"text":"β\n"}"#
        #expect(PrintableText.json(json) == json)
        let odd = "{\"text\":\"\u{7F}\u{9B}2J\u{2028}\u{E0001}\"}"
        let safe = PrintableText.json(odd)
        #expect(safe == #"{"text":"\u007f\u009b2J\u2028\udb40\udc01"}"#)
        let (one, other) = (Data(odd.utf8), Data(safe.utf8))
        #expect(
            try JSONDecoder().decode([String: String].self, from: one)
                == JSONDecoder().decode([String: String].self, from: other))
    }
}
