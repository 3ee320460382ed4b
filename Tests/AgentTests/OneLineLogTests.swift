// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Agent

@Suite("Log")
struct OneLineLogTests {
    @Test("what a stranger chose cannot begin a line of its own, nor command a terminal")
    func controlCharacters() {
        #expect(OneLineLog.oneLine("a\nb") == "a\\nb")
        #expect(OneLineLog.oneLine("a\u{1B}[2Jb\u{2028}c\u{202E}d") == "a\\u{1B}[2Jb\\u{2028}c\\u{202E}d")
        #expect(OneLineLog.oneLine("wards/β ü, \"x\" \\n") == "wards/β ü, \"x\" \\n")
    }
}
