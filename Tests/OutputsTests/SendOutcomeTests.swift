// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Outputs

@Suite("Send outcome")
struct SendOutcomeTests {
    @Test("settles only what comes before the first message that is not")
    func prefix() {
        let outcome = SendOutcome([.delivered, .rejected("too large"), .failed("later"), .delivered], failure: nil)
        #expect(outcome.settled == 2)
        #expect(outcome.rejected.map(\.message) == [1])
        #expect(outcome.failure == OutputFailure("later"))
    }

    @Test("a rejected message behind one that is not settled is not yet a dead letter")
    func rejectedBehind() {
        let outcome = SendOutcome([.delivered, nil, .rejected("too large")], failure: OutputFailure("gone"))
        #expect(outcome.settled == 1)
        #expect(outcome.rejected.isEmpty)
    }

    @Test("all delivered is all settled")
    func all() {
        let outcome = SendOutcome([.delivered, .delivered], failure: nil)
        #expect(outcome.settled == 2 && outcome.failure == nil)
    }
}
