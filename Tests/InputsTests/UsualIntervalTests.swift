// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Testing

@testable import Inputs

@Suite("How often a device is heard of")
struct UsualIntervalTests {
    private let start = ContinuousClock.now

    /// Heard of at these seconds.
    private func interval(_ moments: [Double]) -> UsualInterval {
        var interval = UsualInterval()
        for moment in moments { interval.hear(at: start + .seconds(moment)) }
        return interval
    }

    @Test("what has come a few times only has no habit")
    func young() {
        #expect(interval(Array(stride(from: 0, through: 70, by: 10))).limit == nil)
        #expect(interval(Array(stride(from: 0, through: 80, by: 10))).limit == .seconds(30))
    }

    @Test("what comes at once is heard of once, and what comes all the time has ten seconds")
    func bursts() {
        var triples: [Double] = []
        for start in stride(from: 0.0, to: 3_000, by: 300) { triples += [start, start + 0.1, start + 0.2] }
        #expect(interval(triples).limit == .seconds(900))
        #expect(interval(Array(stride(from: 0.0, to: 20, by: 0.125))).limit == .seconds(10))
    }

    @Test("one long silence is no habit; who has several sends when there is news, and is never missed")
    func outages() {
        let steady = Array(stride(from: 0.0, to: 600, by: 60))
        #expect(interval(steady + [36_000, 36_060]).limit == .seconds(180))
        #expect(interval(steady + [36_000, 36_060, 72_060]).limit == nil)
    }

    @Test("a map may say how long, or never")
    func said() {
        var never = UsualInterval(.never)
        for second in 0..<20 { never.hear(at: start + .seconds(10 * second)) }
        #expect(never.limit == nil)
        #expect(UsualInterval(.after(5_000_000)).limit == .seconds(5))
    }

    @Test("habits change: what is long ago does not count")
    func changes() {
        let slow = Array(stride(from: 0.0, through: 6_000, by: 600))
        #expect(interval(slow + Array(stride(from: 6_010.0, through: 6_160, by: 10))).limit == .seconds(30))
    }
}
