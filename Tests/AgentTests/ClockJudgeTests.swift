// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Agent

@Suite("How far the system's clock is trusted")
struct ClockJudgeTests {
    private let start = Moment.now

    /// Looks at `seconds` after the start, by both clocks.
    private func looks(_ seconds: [(wall: Double, steady: Double)], isSynchronised: Bool = true) -> [ClockState] {
        var judge = ClockJudge()
        return seconds.map { wall, steady in
            let now = start + .microseconds(Int64(steady * 1e6))
            judge.look(wall: Timestamp(microseconds: Int64(wall * 1e6)), steady: now)
            return judge.state(at: now, isSynchronised: isSynchronised)
        }
    }

    @Test("a clock that is set, ahead or back, is not trusted for a minute")
    func jumps() {
        for jump in [1.0, -1.0, 86_400, -86_400] {
            #expect(
                looks([(10, 10), (11, 11), (12 + jump, 12), (71 + jump, 71), (72 + jump, 72)])
                    == [.good, .good, .jumped, .jumped, .good])
        }
    }

    @Test("a clock that is slewed is trusted, however long nobody looked")
    func slewed() {
        #expect(looks([(0, 0), (1.05, 1), (2.1, 2), (110, 100), (1_000_090, 1_000_000)]).allSatisfy { $0 == .good })
    }

    @Test("a clock that nothing keeps is said to be so")
    func unsynchronised() {
        #expect(looks([(0, 0), (1, 1)], isSynchronised: false) == [.unsynchronised, .unsynchronised])
    }
}
