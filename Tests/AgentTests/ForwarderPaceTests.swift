// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Agent

@Suite struct ForwarderPaceTests {
    private let start = ContinuousClock.now

    @Test func aLaneOfWhichNothingIsLeftGathersAndNoOther() {
        var pace = ForwarderPace(rate: nil, gathering: .seconds(5))
        pace.sent(3, of: .normal)
        #expect(pace.lanes(isLast: false, at: start) == Set(Lane.allCases), "a backlog is no reason to wait")
        pace.isThrough(at: start)
        #expect(pace.lanes(isLast: false, at: start) == [.critical, .bulk])
        #expect(pace.next(after: start) == start + .seconds(5))
        #expect(pace.lanes(isLast: false, at: start + .seconds(5)) == Set(Lane.allCases))
        #expect(pace.next(after: start + .seconds(5)) == nil)
    }

    @Test func whatIsCriticalNeverWaits() {
        var pace = ForwarderPace(rate: nil, gathering: .seconds(5))
        pace.sent(1, of: .critical)
        pace.isThrough(at: start)
        #expect(pace.lanes(isLast: false, at: start) == Set(Lane.allCases))
    }

    @Test func whatStaysBehindForTheRateIsNoReasonToGather() {
        var pace = ForwarderPace(rate: 10, gathering: .seconds(60))
        pace.sent(10, of: .normal)
        #expect(pace.lanes(isLast: false, at: start) == [.critical])
        pace.isThrough(at: start)
        #expect(pace.lanes(isLast: false, at: start + .seconds(30)) == Set(Lane.allCases))
        pace.isThrough(at: start + .seconds(30))
        #expect(pace.lanes(isLast: false, at: start + .seconds(31)) == [.critical, .bulk])
    }

    @Test func atTheEndNothingGathersAnyMore() {
        var pace = ForwarderPace(rate: nil, gathering: .seconds(60))
        pace.sent(1, of: .bulk)
        pace.isThrough(at: start)
        #expect(pace.lanes(isLast: true, at: start) == Set(Lane.allCases))
    }

    @Test func whoDoesNotGatherNeverRests() {
        var pace = ForwarderPace(rate: nil, gathering: nil)
        pace.sent(1, of: .normal)
        pace.isThrough(at: start)
        #expect(pace.lanes(isLast: false, at: start) == Set(Lane.allCases) && pace.next(after: start) == nil)
    }
}
