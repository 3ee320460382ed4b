// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import DeviceMaps
@testable import Pipeline

/// A rule over the points `a`, `b` and the text `state` of one device, fed by hand.
struct Watched {
    static let series = ["a": SeriesNumber(raw: 3), "b": SeriesNumber(raw: 1), "state": SeriesNumber(raw: 8)]
    private(set) var rules = Rules()
    private var waited = 0.0

    static func program(_ text: String) throws -> Program {
        try ExpressionCompiler.compile(text, unit: nil, names: [], isRule: true) { input in
            guard series[input.point] != nil else { return nil }
            return input.point == "state" ? .text(labels: ["on", "off"]) : .number(unit: nil)
        }
    }

    init(_ rule: Rule) {
        rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Self.at(0)) { Self.series[$0.point] }
    }

    init(when text: String, until: String? = nil, _ change: (inout Rule) -> Void = { _ in }) throws {
        var rule = Rule(name: "r", condition: .holds(try Self.program(text)), until: try until.map(Self.program))
        change(&rule)
        self.init(rule)
    }

    mutating func bindAgain(_ rule: Rule) {
        rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Self.at(0)) { Self.series[$0.point] }
    }

    /// Stops at one moment and starts at another, with a rule that may be another.
    mutating func restart(_ rule: Rule, started: Double, isFinal: Bool = true, knowsAlarms: Bool = true) throws {
        let (state, active, baselines) = (rules.state(isFinal: isFinal), rules.active, rules.baselines)
        rules = Rules { series, learn in baselines.first { $0.series == series && $0.learn == learn }?.baseline }
        try rules.restore(state, at: Self.at(started))
        waited = started
        for one in active where knowsAlarms { rules.restore(one.alarm, device: one.device, deviceID: "d") }
        rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Self.at(started)) { Self.series[$0.point] }
    }

    static func at(_ seconds: Double) -> Timestamp { Timestamp(microseconds: Int64(seconds * 1_000_000)) }

    /// One event.
    /// - Returns: the phases that are told, each with its remark.
    mutating func hear(
        _ seconds: Double, _ values: KeyValuePairs<String, Value>, _ quality: Quality = .good, now: Double? = nil
    ) -> [String] {
        var batch = Batch()
        for (name, value) in values {
            guard let series = Self.series[name] else { continue }
            batch.readings.append(Reading(series: series, time: Self.at(seconds), value: value, quality: quality))
        }
        batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Self.at(seconds))
        let now = now ?? max(waited, seconds)
        let before = wait(until: now)
        return before + told(rules.note(batch, now: Self.at(now)))
    }

    mutating func hear(_ seconds: Double, state: String) -> [String] {
        var batch = Batch()
        let text = batch.text(state)
        batch.readings = [
            Reading(series: Self.series["state"] ?? SeriesNumber(raw: 0), time: Self.at(seconds), value: text)
        ]
        batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Self.at(seconds))
        let now = max(waited, seconds)
        let before = wait(until: now)
        return before + told(rules.note(batch, now: Self.at(now)))
    }

    /// As a gateway does: every few moments.
    mutating func wait(until seconds: Double) -> [String] {
        var all: [String] = []
        var at = waited
        while at < seconds {
            at = min(at + 0.5, seconds)
            // Half a second is more than what rules wait for a reading of the same moment.
            all += told(rules.advance(to: Self.at(at)))
        }
        waited = seconds
        return all
    }

    mutating func inspect() -> (found: [Rules.Impediment], over: [(rule: String, deviceID: String)]) { rules.inspect() }

    /// No look at the clock comes before.
    mutating func wakes(at seconds: Double) -> [String] {
        waited = seconds
        return told(rules.advance(to: Self.at(seconds)))
    }

    /// The system's clock is set.
    mutating func clockIsSet(to seconds: Double) -> [String] {
        rules.clockWasSet(by: Self.at(seconds).microseconds(since: Self.at(waited)), now: Self.at(seconds))
        waited = seconds
        return told(rules.advance(to: Self.at(seconds)))
    }

    /// Of all events told.
    private(set) var times: [Double] = []

    private mutating func told(_ batch: Batch) -> [String] {
        times += batch.events.map { Double($0.time.microseconds) / 1e6 }
        return batch.events.map { event in
            guard case .alarm(let alarm) = event.detail else { return "?" }
            return alarm.remark == .none ? "\(alarm.phase.name)" : "\(alarm.phase.name) \(alarm.remark.name)"
        }
    }
}

@Suite("Rules")
struct RuleTests {
    @Test("an alarm starts once, says what caused it, and ends under the same name")
    func startAndEnd() throws {
        var rules = Rules()
        let rule = Rule(name: "hot", condition: .holds(try Watched.program("a > 80 and b < 5")))
        rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "oven", now: Watched.at(0)) { Watched.series[$0.point] }
        func batch(_ second: Double, _ a: Double, _ b: Double) -> Batch {
            var batch = Batch()
            batch.readings = [
                Reading(series: SeriesNumber(raw: 3), time: Watched.at(second), value: .number(a)),
                Reading(series: SeriesNumber(raw: 1), time: Watched.at(second), value: .number(b)),
            ]
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Watched.at(second))
            return batch
        }
        #expect(rules.note(batch(1, 80, 1), now: Watched.at(1)).isEmpty)
        let start = rules.note(batch(2, 81, 1), now: Watched.at(2))
        #expect(rules.note(batch(3, 90, 1), now: Watched.at(3)).isEmpty)
        #expect(rules.active.map(\.alarm.rule) == ["hot"])
        let end = rules.note(batch(4, 90, 5), now: Watched.at(4))
        #expect(rules.active.isEmpty)
        guard case .alarm(let one) = start.events.first?.detail, case .alarm(let other) = end.events.first?.detail
        else {
            Issue.record("no alarms")
            return
        }
        #expect(one.phase == .start && other.phase == .end && one.id == other.id && one.since == Watched.at(2))
        #expect(other.since == one.since && end.events.first?.time == Watched.at(4))
        #expect(start.readings.map(\.value) == [.number(81), .number(1)])
        #expect(end.readings.map(\.value) == [.number(90), .number(5)])
    }

    @Test("hysteresis: it ends where `until` says so, and not while the condition holds")
    func hysteresis() throws {
        var watched = try Watched(when: "a > 80", until: "a < 75")
        #expect(watched.hear(1, ["a": .number(81)]) == ["start"])
        #expect(watched.hear(2, ["a": .number(78)]).isEmpty)
        #expect(watched.hear(3, ["a": .number(74)]) == ["end"])
        #expect(watched.hear(4, ["a": .number(78)]).isEmpty)
        var both = try Watched(when: "a > 80", until: "a > 70")
        #expect(both.hear(1, ["a": .number(81)]) == ["start"])
        #expect(both.hear(2, ["a": .number(82)]).isEmpty)
        #expect(both.hear(3, ["a": .number(75)]) == ["end"])
    }

    @Test("`for`: it has to hold all the time; what is not known does not break it unless it is long")
    func holding() throws {
        var watched = try Watched(when: "a > 80") { ($0.holdFor, $0.within) = (10_000_000, 5_000_000) }
        #expect(watched.hear(0, ["a": .number(81)]).isEmpty)
        #expect(watched.hear(5, ["a": .number(79)]).isEmpty)
        #expect(watched.hear(6, ["a": .number(81)]).isEmpty)
        #expect(watched.hear(11, ["a": .number(81)]).isEmpty)
        #expect(watched.hear(13, ["a": .none], .bad).isEmpty)
        #expect(watched.hear(16, ["a": .number(81)]) == ["start"])
        var broken = try Watched(when: "a > 80") { ($0.holdFor, $0.within) = (10_000_000, 5_000_000) }
        #expect(broken.hear(0, ["a": .number(81)]).isEmpty)
        #expect(broken.hear(12, ["a": .number(81)]).isEmpty)
        #expect(broken.hear(16, ["a": .number(81)]).isEmpty)
        #expect(broken.hear(20, ["a": .number(81)]).isEmpty)
        #expect(broken.hear(22, ["a": .number(81)]) == ["start"])
    }

    @Test(
        "what is not good, or too old, begins nothing and ends nothing",
        arguments: [Quality.uncertain, .outOfRange, .absent, .bad])
    func notGood(quality: Quality) throws {
        var watched = try Watched(when: "a > 80 and b > 0") { $0.within = 60_000_000 }
        #expect(watched.hear(0, ["b": .number(1)]).isEmpty)
        #expect(watched.hear(1, ["a": .number(99)], quality).isEmpty)
        #expect(watched.hear(61.5, ["a": .number(99)]).isEmpty, "b is too old")
        #expect(watched.hear(62, ["b": .number(1)]) == ["start"])
        #expect(watched.hear(63, ["a": .number(1)], quality) == ["continue unconfirmed"])
        #expect(watched.hear(64, ["a": .number(1)], quality).isEmpty)
        #expect(watched.rules.active.map(\.isConfirmed) == [false])
        #expect(watched.hear(65, ["a": .number(99)]) == ["continue confirmed"])
        #expect(watched.hear(66, ["a": .number(1)]) == ["end"])
    }

    @Test("a yes beside what is not known is a yes with `or`")
    func eitherOr() throws {
        var watched = try Watched(when: "a > 120 or b < 90")
        #expect(watched.hear(1, ["a": .number(130), "b": .none]) == ["start"])
        #expect(watched.hear(2, ["a": .number(100)]) == ["continue unconfirmed"])
        #expect(watched.hear(3, ["b": .number(95)]) == ["end"])
    }

    @Test("after its end it is quiet for `cooldown`, and told again from time to time with `repeat`")
    func cooldown() throws {
        var watched = try Watched(when: "a > 80") { ($0.cooldown, $0.repeats) = (10_000_000, 30_000_000) }
        #expect(watched.hear(1, ["a": .number(81)]) == ["start"])
        #expect(watched.wait(until: 30).isEmpty)
        #expect(watched.wait(until: 31) == ["continue repeated"])
        #expect(watched.hear(40, ["a": .number(1)]) == ["end"])
        #expect(watched.wait(until: 100).isEmpty)
        #expect(watched.hear(41, ["a": .number(81)]).isEmpty)
        #expect(watched.hear(50, ["a": .number(81)]) == ["start"])
    }

    // MARK: Time without readings

    @Test(
        "`for` needs no second reading: a door that tells changes only raises its alarm when it has been open for so long"
    )
    func holdingAlone() throws {
        var door = try Watched(when: "a > 0") { $0.holdFor = 3_000_000 }
        #expect(door.hear(0, ["a": .number(1)]).isEmpty)
        #expect(door.wait(until: 2.9).isEmpty)
        #expect(door.wait(until: 3.3) == ["start"])
        #expect(door.times == [3])
        var closed = try Watched(when: "a > 0") { $0.holdFor = 3_000_000 }
        #expect(closed.hear(0, ["a": .number(1)]).isEmpty)
        #expect(closed.hear(2, ["a": .number(0)]).isEmpty)
        #expect(closed.wait(until: 60).isEmpty)
        // A reading of the very moment counts first, also where it comes a little late.
        var justInTime = try Watched(when: "a > 0") { $0.holdFor = 3_000_000 }
        #expect(justInTime.hear(0, ["a": .number(1)]).isEmpty)
        #expect(justInTime.wait(until: 3.1).isEmpty)
        #expect(justInTime.hear(3, ["a": .number(0)], now: 3.2).isEmpty)
        #expect(justInTime.wait(until: 60).isEmpty)
    }

    @Test("`for` is over when it is over, and not with the next reading")
    func holdingBetween() throws {
        var watched = try Watched(when: "a > 8") { $0.holdFor = 10_000_000 }
        #expect(watched.hear(0, ["a": .number(9)]).isEmpty)
        #expect(watched.hear(7, ["a": .number(9)]).isEmpty)
        #expect(watched.hear(14, ["a": .number(9)]) == ["start"])
        #expect(watched.times == [10])
        #expect(watched.hear(21, ["a": .number(1)]) == ["end"])
        #expect(watched.hear(28, ["a": .number(9)]).isEmpty)
        #expect(watched.hear(39, ["a": .number(1)]) == ["start", "end"])
        #expect(watched.times == [10, 21, 38, 39])
    }

    @Test(
        "an alarm that has to be quiet is told when that is over, also if nothing more comes; unless it is over before")
    func suppressed() throws {
        func started(_ change: (inout Rule) -> Void = { _ in }) throws -> Watched {
            var watched = try Watched(when: "a > 8") {
                $0.cooldown = 60_000_000
                change(&$0)
            }
            #expect(watched.hear(0, ["a": .number(9)]) == ["start"])
            #expect(watched.hear(10, ["a": .number(1)]) == ["end"])
            #expect(watched.hear(20, ["a": .number(9)]).isEmpty)
            return watched
        }
        var silent = try started()
        #expect(silent.wait(until: 69).isEmpty)
        #expect(silent.wait(until: 71) == ["start"])
        #expect(silent.times.last == 70)
        var over = try started()
        #expect(over.hear(30, ["a": .number(1)]).isEmpty)
        #expect(over.wait(until: 200).isEmpty)
        // With `until`, it is over once that holds, and not before.
        var kept = try Watched(when: "a > 8", until: "a < 5") { $0.cooldown = 60_000_000 }
        #expect(kept.hear(0, ["a": .number(9)]) == ["start"])
        #expect(kept.hear(10, ["a": .number(1)]) == ["end"])
        for second in [20.0, 30, 40] { #expect(kept.hear(second, ["a": .number(second == 20 ? 9 : 7)]).isEmpty) }
        #expect(kept.wait(until: 71) == ["start"])
        // Nobody knows whether it is over.
        var old = try started { $0.within = 20_000_000 }
        #expect(old.wait(until: 71) == ["start unconfirmed"])
        #expect(old.hear(80, ["a": .number(9)]) == ["continue confirmed"])
        var sequence = Rule(
            name: "r", condition: .sequence(try ["a > 8", "b > 8"].map(Watched.program), within: 60_000_000))
        sequence.cooldown = 60_000_000
        var steps = Watched(sequence)
        func step(_ second: Double) -> [String] {
            steps.hear(second, ["a": .number(9), "b": .number(1)]) + steps.hear(second + 1, ["b": .number(9)])
                + steps.hear(second + 2, ["a": .number(1)])
        }
        #expect(step(0) == ["start"])
        #expect(steps.hear(10, ["b": .number(1)]) == ["end"])
        #expect(step(20).isEmpty)
        #expect(steps.wait(until: 69).isEmpty)
        #expect(steps.wait(until: 71) == ["start"])
    }

    @Test(
        "an alarm whose readings stop is unconfirmed once they are too old, and confirmed by what `until` still knows")
    func silence() throws {
        var watched = try Watched(when: "a > 8") { $0.within = 30_000_000 }
        #expect(watched.hear(0, ["a": .number(9)]) == ["start"])
        #expect(watched.wait(until: 29).isEmpty)
        #expect(watched.wait(until: 31) == ["continue unconfirmed"])
        #expect(watched.times == [0, 30])
        #expect(watched.wait(until: 90).isEmpty)
        #expect(watched.hear(91, ["a": .number(9)]) == ["continue confirmed"])
        // What would end it is known not to be so: it goes on for certain, whatever else is not known.
        var until = try Watched(when: "a > 8 and b > 1", until: "a < 5") { $0.within = 30_000_000 }
        #expect(until.hear(0, ["a": .number(9), "b": .number(2)]) == ["start"])
        #expect(until.hear(10, ["b": .none], .bad).isEmpty)
        #expect(until.hear(20, ["a": .number(7)]).isEmpty)
        #expect(until.wait(until: 51) == ["continue unconfirmed"])
        #expect(until.hear(60, ["a": .number(4)]) == ["end"])
    }

    @Test("a reading that comes late moves no time back: neither of its rule, nor of another device's readings")
    func lateElsewhere() throws {
        var watched = try Watched(when: "a > 8 and b > 8")
        #expect(watched.hear(100, ["a": .number(9)], now: 100).isEmpty)
        #expect(watched.hear(0, ["b": .number(9)], now: 101).isEmpty, "it is 100 s old")
        #expect(watched.hear(50, ["b": .number(9)], now: 102) == ["start"])
        #expect(watched.times == [100])
        // One clock is two minutes behind: its readings are too old beside the other's, and say nothing at all.
        var skewed = try Watched(when: "a > 8 and b > 8")
        for second in stride(from: 200.0, to: 400, by: 10) {
            #expect(skewed.hear(second, ["a": .number(9)], now: second).isEmpty)
            #expect(skewed.hear(second - 120, ["b": .number(9)], now: second + 1).isEmpty)
            #expect(skewed.wait(until: second + 2).isEmpty)
        }
    }

    @Test("a backlog that a device sends after an interruption changes nothing that is known; a clock set back does")
    func backlog() throws {
        var watched = try Watched(when: "a > 8")
        #expect(watched.hear(1_000, ["a": .number(1)], now: 1_000).isEmpty)
        for second in 0..<600 {
            #expect(watched.hear(Double(second), ["a": .number(9)], now: 1_000 + Double(second) / 100).isEmpty)
        }
        #expect(watched.hear(1_007, ["a": .number(1)], now: 1_007).isEmpty)
        var told: [String] = []
        for second in 0..<20 { told += watched.hear(Double(second), ["a": .number(9)], now: 1_008 + Double(second)) }
        #expect(told == ["start"])
    }

    @Test("how old a reading may be follows from how often its point comes, unless the rule says so")
    func habits() throws {
        var watched = try Watched(when: "a > 8 and b > 8")
        // Each every 130 s: from its second reading on that is its habit.
        var told: [String] = []
        for second in stride(from: 0.0, to: 900, by: 130) {
            told += watched.hear(second, ["a": .number(9)]) + watched.hear(second + 65, ["b": .number(9)])
        }
        #expect(told == ["start"])
        #expect(watched.wait(until: 845 + 3 * 130 - 66).isEmpty)
        #expect(watched.wait(until: 845 + 3 * 130) == ["continue unconfirmed"])
        var strict = try Watched(when: "a > 8 and b > 8") { $0.within = 60_000_000 }
        for second in stride(from: 0.0, to: 900, by: 130) {
            #expect(strict.hear(second, ["a": .number(9)]).isEmpty)
            #expect(strict.hear(second + 65, ["b": .number(9)]).isEmpty)
        }
        // One long silence is no habit.
        var outage = try Watched(when: "a > 8")
        for second in [0.0, 1, 2, 3, 3_600, 3_601] { _ = outage.hear(second, ["a": .number(9)]) }
        #expect(outage.wait(until: 3_662) == ["continue unconfirmed"])
    }

    @Test("the system's clock that is set makes nothing hold for longer")
    func clockAhead() throws {
        var watched = try Watched(when: "a > 8") { $0.holdFor = 30_000_000 }
        #expect(watched.wait(until: 1).isEmpty)
        #expect(watched.hear(1, ["a": .number(9)]).isEmpty)
        #expect(watched.clockIsSet(to: 1_790_000_000).isEmpty)
        #expect(watched.wait(until: 1_790_000_029).isEmpty)
        #expect(watched.wait(until: 1_790_000_031) == ["start"])
    }

    @Test("time passes while the gateway is frozen")
    func frozen() throws {
        var watched = try Watched(when: "a > 8") { $0.holdFor = 30_000_000 }
        #expect(watched.hear(1, ["a": .number(9)], now: 1).isEmpty)
        #expect(watched.wakes(at: 40) == ["start"])
        #expect(watched.times.last == 31)
    }

    @Test("a rule may ask for the quality of a reading, and for its reason")
    func quality() throws {
        var watched = try Watched(when: "a > 180 or quality(a) == \"out_of_range\"")
        #expect(watched.hear(0, ["a": .number(100)]).isEmpty)
        #expect(watched.hear(1, ["a": .number(350)], .outOfRange) == ["start"])
        #expect(watched.hear(2, ["a": .number(100)]) == ["end"])
        var reason = try Watched(when: "reason(a) != \"none\"")
        #expect(reason.hear(0, ["a": .number(1)]).isEmpty)
        #expect(reason.hear(1, ["a": .none], .bad).isEmpty)
        for text in [
            "quality(a) == \"god\"", "reason(a) == \"spke\"", "quality(a) > \"good\"", "quality(a)",
            "quality(a + 1) == \"bad\"", "quality(x) == \"bad\"",
        ] {
            #expect(throws: ExpressionError.self) { try Watched.program(text) }
        }
    }

    @Test("what is missing for too long is an alarm until a good reading comes")
    func missing() throws {
        var rule = Rule(name: "r", condition: .missing(.init(device: nil, point: "a")))
        rule.holdFor = 60_000_000
        var watched = Watched(rule)
        #expect(watched.wait(until: 59).isEmpty)
        #expect(watched.wait(until: 60) == ["start"])
        #expect(watched.wait(until: 61).isEmpty)
        #expect(watched.hear(62, ["a": .none], .bad).isEmpty)
        #expect(watched.hear(63, ["a": .number(1)], now: 63) == ["end"])
        #expect(watched.hear(90, ["a": .number(1)], .uncertain, now: 90).isEmpty)
        #expect(watched.wait(until: 122).isEmpty)
        #expect(watched.wait(until: 123) == ["start"])
    }

    @Test("what is missing goes by when readings come, not by the time they tell, and not by a clock that is set")
    func missingAndClocks() throws {
        var rule = Rule(name: "r", condition: .missing(.init(device: nil, point: "a")))
        rule.holdFor = 60_000_000
        var slow = Watched(rule)
        for second in stride(from: 10.0, to: 300, by: 10) {
            #expect(slow.hear(second - 120, ["a": .number(1)], now: second).isEmpty)
            #expect(slow.wait(until: second).isEmpty)
        }
        var booted = Watched(rule)
        #expect(booted.wait(until: 10).isEmpty)
        #expect(booted.clockIsSet(to: 1_790_000_000).isEmpty)
        #expect(booted.wait(until: 1_790_000_049).isEmpty)
        #expect(booted.wait(until: 1_790_000_051) == ["start"])
    }

    @Test("after a clock was set back, the gateway's or the device's, rules go on")
    func setBack() throws {
        var gateway = try Watched(when: "a > 80") { $0.holdFor = 10_000_000 }
        #expect(gateway.hear(5_000, ["a": .number(1)], now: 5_000).isEmpty)
        #expect(gateway.hear(5_001, ["a": .number(81)], now: 5_001).isEmpty)
        #expect(gateway.hear(1_400, ["a": .number(81)], now: 1_400).isEmpty)
        #expect(gateway.hear(1_410, ["a": .number(81)], now: 1_410) == ["start"])
        var device = try Watched(when: "a > 80")
        #expect(device.hear(5_000, ["a": .number(1)], now: 5_000).isEmpty)
        var told: [String] = []
        for second in 0..<20 {
            told += device.hear(1_000 + Double(second), ["a": .number(81)], now: 5_001 + Double(second))
        }
        #expect(told == ["start"])
    }

    @Test("a sequence is of what comes about, not of what was so before, and goes on when its rule is looked for again")
    func sequences() throws {
        let steps = ["a > 1", "b > 1"]
        var rule = Rule(name: "r", condition: .sequence(try steps.map(Watched.program), within: 60_000_000))
        rule.within = 600_000_000
        var watched = Watched(rule)
        #expect(watched.hear(1, ["b": .number(2)]).isEmpty)
        #expect(watched.hear(2, ["a": .number(2)]).isEmpty)
        #expect(watched.hear(3, ["a": .number(2)]).isEmpty, "b was so before")
        #expect(watched.hear(4, ["b": .number(0)]).isEmpty)
        watched.bindAgain(rule)
        #expect(watched.hear(5, ["a": .number(0), "b": .number(2)]) == ["start"])
        #expect(watched.hear(6, ["b": .number(0)]) == ["end"])
        #expect(watched.hear(7, ["b": .number(2)]).isEmpty, "a way is gone once")
    }

    @Test("how fast something changes")
    func rate() throws {
        var watched = try Watched(when: "rate(a, 10 's') > 2")
        for second in 0...20 { #expect(watched.hear(Double(second), ["a": .integer(Int64(2 * second))]).isEmpty) }
        #expect(watched.hear(21, ["a": .integer(41)]).isEmpty)
        #expect(watched.hear(22, ["a": .integer(46)]) == ["start"], "46 - 24 in 10 s")
        #expect(watched.hear(23, ["a": .integer(40)]) == ["end"])
        #expect(watched.hear(60, ["a": .integer(500)]).isEmpty, "nobody knows how fast that came")
    }

    @Test("a text is compared with what it can be")
    func texts() throws {
        var watched = try Watched(when: "state == \"on\"", until: "state != \"on\"")
        #expect(watched.hear(1, state: "off").isEmpty)
        #expect(watched.hear(2, state: "on") == ["start"])
        #expect(watched.hear(3, state: "off") == ["end"])
        for text in [
            "state == \"of\"", "state > \"on\"", "a == \"on\"", "rate(state, 1 's') > 1", "rate(a, 1 'm') > 1",
        ] {
            #expect(throws: ExpressionError.self) { try Watched.program(text) }
        }
        #expect(throws: ExpressionError.self) {
            try ExpressionCompiler.compile("rate(a, 1 's')", unit: nil, names: []) { _ in .number(unit: nil) }
        }
    }

    @Test("a reading that comes late changes nothing, and one from the future counts from now")
    func times() throws {
        var watched = try Watched(when: "a > 80") { $0.within = 60_000_000 }
        #expect(watched.hear(10, ["a": .number(1)], now: 10).isEmpty)
        #expect(watched.hear(9, ["a": .number(99)], now: 11).isEmpty)
        #expect(watched.hear(9_999, ["a": .number(99)], now: 12) == ["start"])
        #expect(watched.hear(13, ["a": .number(1)], now: 13) == ["end"])
    }

    @Test("an alarm of an earlier run goes on under its old name")
    func restored() throws {
        let old = Alarm(id: "r/d/7", rule: "r", phase: .start, priority: .high, since: Watched.at(-50))
        var rules = Rules()
        rules.restore(old, device: DeviceNumber(raw: 0), deviceID: "d")
        let rule = Rule(name: "r", condition: .holds(try Watched.program("a > 80")))
        rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Watched.at(0)) { Watched.series[$0.point] }
        var batch = Batch()
        batch.readings = [Reading(series: SeriesNumber(raw: 3), time: Watched.at(1), value: .number(1))]
        batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Watched.at(1))
        let end = rules.note(batch, now: Watched.at(1))
        guard case .alarm(let alarm) = end.events.first?.detail else {
            Issue.record("not ended")
            return
        }
        #expect(alarm.id == "r/d/7" && alarm.phase == .end && alarm.since == Watched.at(-50))
    }

    @Test("an alarm that was lost on its way is told with the next reading")
    func lost() throws {
        var rules = Rules()
        let rule = Rule(name: "r", condition: .holds(try Watched.program("a > 80")))
        rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Watched.at(0)) { Watched.series[$0.point] }
        var phases: [Alarm.Phase] = []
        for (second, value) in [99.0, 99, 1, 1].enumerated() {
            var batch = Batch()
            let time = Watched.at(Double(second))
            batch.readings = [Reading(series: SeriesNumber(raw: 3), time: time, value: .number(value))]
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
            let told = rules.note(batch, now: time)
            for case .alarm(let alarm) in told.events.map(\.detail) { phases.append(alarm.phase) }
            if second.isMultiple(of: 2) { rules.forget(told) }
        }
        #expect(phases == [.start, .start, .end, .end])
    }

    @Test("a rule that readings too old beside the others keep from an alarm is found, one that waits for news is not")
    func impeded() throws {
        func causes(_ watched: inout Watched) -> (found: Int, over: Int) {
            var last = (found: 0, over: 0)
            for _ in 0..<30 {
                let (found, over) = watched.inspect()
                last = (found.count, last.over + over.count)
            }
            return last
        }
        var door = try Watched(when: "a > 0")
        _ = door.hear(0, ["a": .number(0)])
        _ = door.wait(until: 3_600)
        #expect(causes(&door).found == 0)
        var both = try Watched(when: "a > 8 and b > 8")
        _ = both.hear(0, ["b": .number(9)])
        for second in stride(from: 100.0, through: 200, by: 10) { _ = both.hear(second, ["a": .number(9)]) }
        #expect(causes(&both).found == 1)
        _ = both.hear(205, ["b": .number(0)])
        #expect(causes(&both) == (0, 1))
        var either = try Watched(when: "a > 8 or b > 8")
        _ = either.hear(0, ["b": .number(9)])
        _ = either.hear(100, ["a": .number(9)])
        #expect(causes(&either).found == 0)
        var held = try Watched(when: "a > 0") { ($0.holdFor, $0.within) = (90_000_000, 60_000_000) }
        for second in [0.0, 100, 200, 300] { _ = held.hear(second, ["a": .number(1)]) }
        #expect(causes(&held).found == 1)
        for second in stride(from: 350.0, through: 450, by: 50) { _ = held.hear(second, ["a": .number(1)]) }
        #expect(causes(&held) == (0, 1))
    }
}
