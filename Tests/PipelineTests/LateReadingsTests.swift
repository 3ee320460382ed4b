// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Pipeline

@Suite("Late readings")
struct LateReadingsTests {
    private static func at(_ seconds: Double) -> Timestamp { Timestamp(microseconds: Int64(seconds * 1_000_000)) }

    @Test("a backlog is late, also where its readings have one time")
    func backlog() {
        var late = LateReadings()
        for _ in 0..<40 { #expect(late.judge(Self.at(100), last: Self.at(500), now: Self.at(500)) == .late) }
        var burst = LateReadings()
        for number in 0..<40 {
            #expect(burst.judge(Self.at(100 + Double(number)), last: Self.at(500), now: Self.at(500.1)) == .late)
        }
    }

    @Test("a device whose clock was set back goes on at its pace")
    func device() {
        var late = LateReadings()
        let verdicts = (0..<20).map(Double.init).map {
            late.judge(Self.at(100 + $0), last: Self.at(500), now: Self.at(501 + $0))
        }
        #expect(verdicts.prefix(15).allSatisfy { $0 == .late } && verdicts[15] == .setBack)
    }

    @Test("after the gateway's clock was set back, the first reading of now counts")
    func gateway() {
        var late = LateReadings()
        #expect(late.judge(Self.at(100), last: Self.at(1_900), now: Self.at(101)) == .setBack)
        // One of long ago is late by either clock.
        #expect(late.judge(Self.at(50), last: Self.at(1_900), now: Self.at(101)) == .late)
    }
}
