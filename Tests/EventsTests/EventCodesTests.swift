// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Testing

@Suite struct EventCodesTests {
    @Test("every reason, cause and warning has the code that explains its word")
    func words() {
        for reason in Reason.allCases where reason != .none { expect(reason.code, explains: "\(reason.name)") }
        for cause in Gap.Cause.allCases { expect(cause.code, explains: "\(cause.name)") }
        for remark in Alarm.Remark.allCases where remark != .none { expect(remark.code, explains: "\(remark.name)") }
        for kind in Warning.Kind.allCases { expect(kind.code, explains: kind.rawValue) }
    }

    @Test("every reason of a write has the code that explains its word")
    func writes() {
        let writes = Explanation.all.filter { (2_300..<2_400).contains($0.code.rawValue) }
        #expect(writes.count > 20)
        for explanation in writes {
            #expect(explanation.word.flatMap(WriteAttempt.code(ofReason:)) == explanation.code)
        }
        #expect(WriteAttempt.code(ofReason: "timeout") == .timeout)
        #expect(WriteAttempt.code(ofReason: "") == nil)
    }

    private func expect(_ code: Code?, explains word: String) {
        #expect(code?.explanation?.word == word, "\(word)")
    }
}
