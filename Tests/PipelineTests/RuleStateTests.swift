// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import TestSupport
import Testing

@testable import DeviceMaps
@testable import Pipeline

@Suite("What rules know over a stop")
struct RuleStateTests {
    private static func rule(_ text: String, _ change: (inout Rule) -> Void = { _ in }) throws -> Rule {
        var rule = Rule(name: "r", condition: .holds(try Watched.program(text)))
        rule.within = 600_000_000
        change(&rule)
        return rule
    }

    @Test("how long a condition has held goes on, and so does the quiet after an alarm")
    func held() throws {
        let rule = try Self.rule("a > 80") { ($0.holdFor, $0.cooldown) = (60_000_000, 300_000_000) }
        var watched = Watched(rule)
        #expect(watched.hear(0, ["a": .number(90)]).isEmpty)
        try watched.restart(rule, started: 55)
        #expect(watched.hear(60, ["a": .number(90)]) == ["start"])
        #expect(watched.hear(61, ["a": .number(1)]) == ["end"])
        try watched.restart(rule, started: 75)
        #expect(watched.hear(80, ["a": .number(90)]).isEmpty)
        #expect(watched.hear(200, ["a": .number(90)]).isEmpty)
        #expect(watched.hear(400, ["a": .number(90)]) == ["start"])
    }

    @Test("what was kept while an alarm was under way is no reason to begin another at once after a crash")
    func crashed() throws {
        let rule = try Self.rule("a > 80") { $0.holdFor = 60_000_000 }
        var watched = Watched(rule)
        #expect(watched.hear(0, ["a": .number(90)]).isEmpty)
        #expect(watched.hear(60, ["a": .number(90)]) == ["start"])
        // It ends after that, which is all that is known of it.
        try watched.restart(rule, started: 70, isFinal: false, knowsAlarms: false)
        #expect(watched.hear(75, ["a": .number(90)]).isEmpty)
        #expect(watched.hear(135, ["a": .number(90)]) == ["start"])
    }

    @Test("time goes on over a stop: what was due meanwhile is told at the start, with the time at which it was due")
    func dueMeanwhile() throws {
        let rule = try Self.rule("a > 80") { $0.holdFor = 3_000_000 }
        var door = Watched(rule)
        #expect(door.hear(0, ["a": .number(90)]).isEmpty)
        try door.restart(rule, started: 20)
        #expect(door.wait(until: 21) == ["start"])
        #expect(door.times == [3])
        // What is polled is asked again, and its silence meanwhile means nothing.
        let polled = try Self.rule("a > 80") { ($0.holdFor, $0.intervals) = (3_000_000, [1_000_000]) }
        var meter = Watched(polled)
        #expect(meter.hear(0, ["a": .number(90)]).isEmpty)
        try meter.restart(polled, started: 20)
        #expect(meter.wait(until: 21).isEmpty)
        #expect(meter.hear(21, ["a": .number(1)]).isEmpty)
        #expect(meter.wait(until: 60).isEmpty)
    }

    @Test("an alarm that had to be quiet when the gateway stopped is told after it")
    func suppressed() throws {
        let rule = try Self.rule("a > 80") { $0.cooldown = 60_000_000 }
        var watched = Watched(rule)
        #expect(watched.hear(0, ["a": .number(90)]) == ["start"])
        #expect(watched.hear(10, ["a": .number(1)]) == ["end"])
        #expect(watched.hear(20, ["a": .number(90)]).isEmpty)
        try watched.restart(rule, started: 30)
        #expect(watched.wait(until: 69).isEmpty)
        #expect(watched.wait(until: 71) == ["start"])
    }

    @Test("another condition begins anew; one that only is to hold for another time goes on")
    func changed() throws {
        let rule = try Self.rule("a > 80") { $0.holdFor = 60_000_000 }
        var watched = Watched(rule)
        #expect(watched.hear(0, ["a": .number(90)]).isEmpty)
        var other = watched
        try other.restart(try Self.rule("a > 85") { $0.holdFor = 60_000_000 }, started: 55)
        #expect(other.hear(60, ["a": .number(90)]).isEmpty)
        #expect(other.hear(121, ["a": .number(90)]) == ["start"])
        try watched.restart(try Self.rule("a > 80") { $0.holdFor = 30_000_000 }, started: 15)
        #expect(watched.hear(31, ["a": .number(90)]) == ["start"])
    }

    @Test("what was read last is known while it is valid, texts too, and is told as the cause")
    func known() throws {
        let rule = try Self.rule("a > 80 and state == \"on\"") { $0.within = 60_000_000 }
        var watched = Watched(rule)
        #expect(watched.hear(0, state: "on").isEmpty)
        var late = watched
        try watched.restart(rule, started: 5)
        #expect(watched.hear(10, ["a": .number(90)]) == ["start"])
        try late.restart(rule, started: 5)
        #expect(late.hear(61, ["a": .number(90)]).isEmpty)
    }

    @Test(
        "after a crash nothing is known of what was polled last, as it may be another by now, but of steps that were taken"
    )
    func periodic() throws {
        let rule = try Self.rule("a > 5 and b > 3") { $0.intervals = [1_000_000, 1_000_000] }
        var watched = Watched(rule)
        #expect(watched.hear(0, ["b": .number(4)]).isEmpty)
        var stopped = watched
        try watched.restart(rule, started: 2, isFinal: false)
        #expect(watched.hear(3, ["a": .number(9)]).isEmpty)
        try stopped.restart(rule, started: 2)
        #expect(stopped.hear(3, ["a": .number(9)]) == ["start"])
        let steps = try ["a > 5", "b > 3"].map(Watched.program)
        var sequence = Rule(name: "r", condition: .sequence(steps, within: 60_000_000))
        sequence.intervals = [1_000_000, 1_000_000]
        var stepping = Watched(sequence)
        _ = stepping.hear(0, ["a": .number(9), "b": .number(1)])
        try stepping.restart(sequence, started: 2, isFinal: false)
        #expect(stepping.hear(3, ["b": .number(4)]) == ["start"])
    }

    @Test("what is of later than now is of another clock and says nothing; the quiet is as long as the rule says now")
    func clocks() throws {
        let rule = try Self.rule("a > 5 and b > 3")
        var watched = Watched(rule)
        _ = watched.hear(1_000, ["b": .number(4)])
        try watched.restart(rule, started: 10)
        #expect(watched.hear(11, ["a": .number(9)]).isEmpty)
        let quiet = try Self.rule("a > 5") { $0.cooldown = 86_400_000_000 }
        var silent = Watched(quiet)
        #expect(silent.hear(0, ["a": .number(9)]) == ["start"])
        #expect(silent.hear(1, ["a": .number(1)]) == ["end"])
        try silent.restart(try Self.rule("a > 5"), started: 2)
        #expect(silent.hear(3, ["a": .number(9)]) == ["start"])
    }

    @Test("while the gateway is stopped nothing is missing")
    func missing() throws {
        var rule = Rule(name: "r", condition: .missing(Program.Input(device: nil, point: "a")))
        rule.holdFor = 10_000_000
        var watched = Watched(rule)
        #expect(watched.hear(0, ["a": .number(1)], now: 0).isEmpty)
        try watched.restart(rule, started: 9)
        #expect(watched.wait(until: 18).isEmpty)
        #expect(watched.wait(until: 20) == ["start"])
    }

    @Test(
        "rates and changes go on from where they were",
        arguments: ["rate(a, 10 's') > 1", "cusum(a, 100, 1000) > 1", "ewma(a, 100, 1000) > 1"])
    func memories(_ text: String) throws {
        let rule = try Self.rule(text)
        var (through, stopped) = (Watched(rule), Watched(rule))
        var told: [String] = []
        for second in 0..<150 {
            // A wave, and from the 120th second on a slope.
            let value = Value.number(Double(second % 4) + Double(max(0, second - 120)) * 2)
            if second > 0 { try stopped.restart(rule, started: Double(second)) }
            let expected = through.hear(Double(second), ["a": value])
            #expect(stopped.hear(Double(second), ["a": value]).filter { !$0.hasPrefix("continue") } == expected)
            told += expected
        }
        #expect(told == ["start"])
    }

    @Test("what is damaged is refused, and traps nowhere")
    func damaged() throws {
        var rule = Rule(
            name: "r",
            condition: .sequence(
                try ["a > 3", "rate(b, 10 's') > 1", "state == \"on\""].map(Watched.program), within: 60_000_000))
        rule.within = 60_000_000
        var watched = Watched(rule)
        _ = (watched.hear(0, ["a": .number(4), "b": .number(1)]), watched.hear(1, state: "off"))
        let state = watched.rules.state(isFinal: true)
        var random = SeededGenerator(fixed: 1)
        for place in state.indices {
            var damaged = state
            damaged[place] ^= UInt8.random(in: 1...255, using: &random)
            for bytes in [damaged, Array(state[..<place])] {
                var rules = Rules()
                try? rules.restore(bytes, at: Watched.at(3))
                rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Watched.at(3)) {
                    Watched.series[$0.point]
                }
                var batch = Batch()
                batch.readings = Watched.series.values.map {
                    Reading(series: $0, time: Watched.at(4), value: .number(9))
                }
                batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Watched.at(4))
                _ = rules.note(batch, now: Watched.at(4))
                _ = rules.advance(to: Watched.at(5))
            }
            var rules = Rules()
            #expect(throws: MalformedBytes.self) { try rules.restore(Array(state[..<place]), at: Watched.at(3)) }
        }
    }

    @Test("events that came in one batch are noted one by one: a step that follows another still does after a crash")
    func notes() throws {
        let steps = try ["a > 5", "b > 3"].map(Watched.program)
        var rule = Rule(name: "r", condition: .sequence(steps, within: 60_000_000))
        rule.within = 60_000_000
        let finished = rule
        func rules() -> Rules {
            var rules = Rules(hasNotes: true)
            rules.add(finished, device: DeviceNumber(raw: 0), deviceID: "d", now: Watched.at(0)) {
                Watched.series[$0.point]
            }
            return rules
        }
        var batch = Batch()
        for (point, value, second) in [("b", 1.0, 1.0), ("a", 9, 1), ("b", 4, 2)] {
            let series = try #require(Watched.series[point])
            batch.readings.append(Reading(series: series, time: Watched.at(second), value: .number(value)))
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Watched.at(second))
        }
        var running = rules()
        let told = running.note(batch, now: Watched.at(2))
        #expect(told.events.count == 1)
        let taken = running.takeNotes(at: Watched.at(2))
        let note = try #require(taken)
        // The alarm was not committed: after a crash it starts, by what was noted.
        var started = rules()
        try started.replay([note], at: Watched.at(3))
        let again = started.advance(to: Watched.at(4))
        #expect(again.events.count == 1)
    }
}
