// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Outbox

@Suite("A clock that jumps")
struct ClockJumpTests {
    private let start = Moment.now
    private let day: Int64 = 86_400_000_000

    @Test(
        "only a jump ahead counts, however long nobody looked",
        arguments: [
            (1, 1, false), (3_600, 3_600, false), (86_400, 1, true), (61, 0, true), (59, 0, false), (-86_400, 1, false),
        ]
            as [(Int64, Int64, Bool)])
    func jumps(wall: Int64, steady: Int64, isJump: Bool) {
        var clock = ClockWatch()
        let later = Timestamp(microseconds: 5 + wall * 1_000_000)
        let looks = [
            (Timestamp(microseconds: 5), start), (later, start + .seconds(steady)), (later, start + .seconds(steady)),
        ]
        var jumps: [Bool] = []
        for (wall, steady) in looks { jumps.append(clock.jump(wall: wall, steady: steady) > ClockJump.tolerance) }
        #expect(jumps == [false, isJump, false])
    }

    @Test("what was committed before a jump has its age from there on")
    func age() {
        let jump = ClockJump(
            blocks: PerLane(critical: 10, normal: 20, bulk: 30), at: Timestamp(microseconds: 20_000 * day))
        let limit = Timestamp(microseconds: 19_993 * day)
        #expect(!jump.lets(19, of: .normal, goBefore: limit))
        #expect(jump.lets(20, of: .normal, goBefore: limit))
        #expect(jump.lets(19, of: .normal, goBefore: limit.advanced(byMicroseconds: 8 * day)))
    }
}
