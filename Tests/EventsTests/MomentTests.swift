// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@Suite("Moments")
struct MomentTests {
    @Test("moments and durations add up")
    func sums() {
        let moment = Moment(nanoseconds: 5_000)
        #expect(moment + .milliseconds(2) == Moment(nanoseconds: 2_005_000))
        #expect(moment.duration(to: moment + .seconds(3)) == .seconds(3))
        #expect((moment + .seconds(-1)).microseconds(since: moment) == -1_000_000)
        #expect(moment.advanced(byMicroseconds: 7) == Moment(nanoseconds: 12_000))
    }

    @Test("what cannot be told stays at the end of what can")
    func ends() {
        let far = Moment(nanoseconds: .max - 5)
        #expect(far + .seconds(1) == Moment(nanoseconds: .max))
        #expect(far.advanced(byMicroseconds: .max) == Moment(nanoseconds: .max))
        #expect(Moment(nanoseconds: .min).nanoseconds(since: far) == .min)
        #expect(far.nanoseconds(since: Moment(nanoseconds: .min)) == .max)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
        #expect(Duration.seconds(Int64.min).nanoseconds == .min)
        #expect(Duration.nanoseconds(-1_500_000_001).nanoseconds == -1_500_000_001)
    }

    @Test("it is the steady clock's time")
    func steady() {
        let moment = Moment.now + .seconds(5)
        let left = ContinuousClock.now.duration(to: ContinuousClock.Instant(moment))
        #expect(left > .seconds(4) && left <= .seconds(5))
    }
}
