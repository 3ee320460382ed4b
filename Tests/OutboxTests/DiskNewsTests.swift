// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Outbox

@Suite("What is logged of a disk that fails")
struct DiskNewsTests {
    @Test("a disk that fails every few seconds is logged twice, and once more when it has held for a minute")
    func flapping() {
        var news = DiskNews()
        var now = ContinuousClock.now
        let leaves1 = news.leaves(at: now)
        #expect(leaves1 == .once)
        let returns2 = news.returns(at: now)
        #expect(returns2)
        now += .seconds(5)
        let leaves3 = news.leaves(at: now)
        #expect(leaves3 == .again)
        for _ in 0..<100 {
            let returns4 = news.returns(at: now)
            #expect(!returns4)
            now += .seconds(5)
            let settles5 = news.settles(at: now)
            #expect(!settles5)
            let leaves6 = news.leaves(at: now)
            #expect(leaves6 == .known)
        }
        let returns7 = news.returns(at: now)
        #expect(!returns7)
        now += .seconds(60)
        let settles8 = news.settles(at: now)
        #expect(settles8)
        let settles9 = news.settles(at: now)
        #expect(!settles9)
        let leaves10 = news.leaves(at: now)
        #expect(leaves10 == .once)
    }

    @Test("failures that are far apart are logged each")
    func apart() {
        var news = DiskNews()
        var now = ContinuousClock.now
        for _ in 0..<3 {
            let leaves11 = news.leaves(at: now)
            #expect(leaves11 == .once)
            let returns12 = news.returns(at: now)
            #expect(returns12)
            now += .seconds(61)
            let settles13 = news.settles(at: now)
            #expect(!settles13)
        }
    }
}
