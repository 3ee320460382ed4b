// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Testing

@Suite struct CodesTests {
    @Test("every code has an explanation with its meaning, its cause and what to do")
    func explanations() {
        for code in Code.allCases {
            let text = code.explanation?.text ?? ""
            #expect(text.contains("**Cause:**") && text.contains("**What to do:**"), "\(code)")
            #expect(!text.hasPrefix("**"), "\(code) has no meaning")
        }
    }

    @Test("every explanation has a code, and the codes are in order")
    func order() {
        let listed = Explanation.all.map(\.code.rawValue)
        #expect(listed == Code.allCases.map(\.rawValue).sorted())
    }

    @Test("a retired code is not used again")
    func retired() throws {
        let retired = Explanation.page.split(separator: "# Retired codes").last ?? ""
        for code in Code.allCases { #expect(!retired.contains(code.description), "\(code)") }
    }

    @Test("a code is read from its text")
    func text() {
        for code in Code.allCases { #expect(Code(code.description) == code) }
        for wrong in ["", "HG", "HG01", "HG9999", "hg0101", "HG+101", "XX0101"] {
            #expect(Code(wrong) == nil, "\(wrong)")
        }
    }
}
