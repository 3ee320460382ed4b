// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import DeviceMaps
@testable import Inputs

@Suite("Poll schedule")
struct PollScheduleTests {
    private let start = Moment.now

    private func schedule(_ intervals: [Int64]) -> PollSchedule {
        let sources = intervals.enumerated().map { index, every in
            RegisterSource(
                table: .input, address: UInt16(index), layout: RegisterLayout(type: .uint16), every: every * 1_000)
        }
        return PollSchedule(sources, ModbusLimits(), RequestCost(request: 1_000, byte: 1), start: start)
    }

    private func points(_ requests: [ReadRequest]) -> [Int] { requests.flatMap(\.points).sorted() }

    @Test("points of different intervals share requests when they fall together")
    func together() {
        var schedule = schedule([100, 1_000, 100])
        #expect(points(schedule.take(at: start).plan.requests) == [0, 1, 2])
        for tick in 1...9 {
            #expect(points(schedule.take(at: start + .milliseconds(tick * 100)).plan.requests) == [0, 2])
        }
        let (plan, missed) = schedule.take(at: start + .milliseconds(1_000))
        #expect(points(plan.requests) == [0, 1, 2])
        #expect(plan.requests.count == 1)
        #expect(missed == 0)
    }

    @Test("deadlines follow from deadlines, so that intervals do not drift")
    func noDrift() {
        var schedule = schedule([100])
        for tick in 0..<50 {
            let late = start + .milliseconds(tick * 100) + .milliseconds(30)
            #expect(schedule.nextDue == start + .milliseconds(tick * 100))
            #expect(schedule.take(at: late).missed == 0)
        }
    }

    @Test("polls that a late link missed are counted and not queued up")
    func missed() {
        var schedule = schedule([100])
        _ = schedule.take(at: start)
        #expect(schedule.take(at: start + .milliseconds(450)).missed == 3)
        #expect(schedule.nextDue == start + .milliseconds(500))
    }

    @Test("a device that is offline is put off")
    func postponed() {
        var schedule = schedule([100, 5_000])
        _ = schedule.take(at: start)
        schedule.postpone(until: start + .seconds(2))
        #expect(schedule.nextDue == start + .seconds(2))
        #expect(points(schedule.take(at: start + .seconds(2)).plan.requests) == [0])
    }
}

@Suite("Device presence")
struct DevicePresenceTests {
    private func time(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

    @Test("a device is offline after three failures in a row, since the first of them, and says so once")
    func offline() {
        var presence = DevicePresence()
        #expect(presence.answered(at: time(0))?.state == .online)
        #expect(presence.answered(at: time(1)) == nil)
        #expect(presence.failed(at: time(2), .timeout) == nil)
        #expect(presence.failed(at: time(3), .timeout) == nil)
        #expect(
            presence.failed(at: time(4), .timeout) == StatusChange(state: .offline, since: time(2), reason: .timeout))
        #expect(presence.failed(at: time(5), .timeout) == nil)
        #expect(presence.answered(at: time(6)) == StatusChange(state: .online, since: time(6), reason: .none))
    }

    @Test("two failures and an answer are nothing to tell")
    func interrupted() {
        var presence = DevicePresence()
        _ = presence.answered(at: time(0))
        for round in 0..<10 {
            #expect(presence.failed(at: time(Int64(round)), .timeout) == nil)
            #expect(presence.failed(at: time(Int64(round)), .timeout) == nil)
            #expect(presence.answered(at: time(Int64(round))) == nil)
        }
    }

    @Test("a device that never answered is told to be offline too")
    func neverSeen() {
        var presence = DevicePresence()
        _ = presence.failed(at: time(0), .disconnected)
        _ = presence.failed(at: time(1), .disconnected)
        #expect(presence.failed(at: time(2), .disconnected)?.state == .offline)
    }
}
