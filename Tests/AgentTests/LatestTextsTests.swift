// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Agent

@Suite("Latest texts")
struct LatestTextsTests {
    private func series(_ number: Int32) -> SeriesNumber { SeriesNumber(raw: number) }

    @Test("texts are kept within the budget, and a replaced or removed one gives its bytes back")
    func staysWithinBudget() {
        var texts = LatestTexts(limit: 10)
        let isFirstKept = texts.keep("12345678", of: series(0))
        let isTooMuchKept = texts.keep("123", of: series(1))
        #expect(isFirstKept && !isTooMuchKept && texts[series(1)] == nil && texts.bytes == 8)
        let isShorterKept = texts.keep("123", of: series(0))
        #expect(isShorterKept && texts.bytes == 3)
        let isSecondKept = texts.keep("1234567", of: series(1))
        #expect(isSecondKept && texts.bytes == 10)
        texts.remove(series(1))
        #expect(texts[series(1)] == nil && texts.bytes == 3)
        let isLargeKept = texts.keep("larger than all", of: series(0))
        #expect(!isLargeKept && texts[series(0)] == nil && texts.bytes == 0)
    }
}
