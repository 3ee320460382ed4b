// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Inputs

@Suite("Rate of connections that are dialled in")
struct DialInRateTests {
    @Test("after a burst of twenty ten a second are allowed, and a pause allows another burst")
    func allowsABurstAndARate() {
        var rate = DialInRate()
        let start = ContinuousClock.now
        func allowed(_ count: Int, from second: Double, every step: Double) -> Int {
            (0..<count).count { rate.allowsOne(at: start + .microseconds(Int64((second + Double($0) * step) * 1e6))) }
        }
        let first = allowed(100, from: 0, every: 0)
        // 1,000 a second, for two seconds.
        let flood = allowed(2_000, from: 0, every: 0.001)
        let calm = allowed(50, from: 60, every: 1)
        #expect(first == 20 && (19...20).contains(flood) && calm == 50)
        let later = allowed(100, from: 200, every: 0)
        #expect(later == 20)
    }
}
