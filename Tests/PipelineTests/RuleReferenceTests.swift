// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import TestSupport
import Testing

@testable import DeviceMaps
@testable import Pipeline

/// Rules beside the plainest thing that does the same: it keeps all that was ever read, and looks at every microsecond.
@Suite("Rules beside a reference")
struct RuleReferenceTests {
    fileprivate struct Heard {
        var point: String
        var time: Int64
        var value: Double?
    }

    fileprivate enum Step {
        case readings([Heard], at: Int64)
        /// Nothing comes until then.
        case silence(until: Int64)

        var end: Int64 {
            switch self {
            case .readings(_, let at): at
            case .silence(let until): until
            }
        }
    }

    fileprivate static let validity: Int64 = 20

    /// A stream with gaps, silence, readings that are not good, late ones, and ones that come twice.
    private static func stream(_ generator: inout some RandomNumberGenerator, hasLate: Bool) -> [Step] {
        var time: Int64 = 1_000
        var isSilent = false
        let steps: [Step] = (0..<120).map { _ in
            // A timer fires late enough for the readings of its moment.
            let least: Int64 = isSilent ? 1 : 0
            time += Int64.random(in: least...(Bool.random(using: &generator) ? 6 : 30), using: &generator)
            isSilent = Int.random(in: 0..<5, using: &generator) == 0
            if isSilent { return .silence(until: time) }
            let heard = ["a", "b"].filter { _ in Int.random(in: 0..<3, using: &generator) > 0 }.map { point in
                let late: Int64 = hasLate && Int.random(in: 0..<6, using: &generator) == 0 ? 15 : 0
                let isGood = Int.random(in: 0..<6, using: &generator) > 0
                return Heard(
                    point: point, time: max(0, time - late),
                    value: isGood ? Double(Int.random(in: 0..<6, using: &generator)) : nil)
            }
            return .readings(heard, at: time)
        }
        // A gateway's time passes whatever comes: up to the end for all that are compared.
        return steps + [.silence(until: time + 1)]
    }

    /// What the rules tell.
    /// - Parameters:
    ///   - stops: before which steps the gateway stops and starts.
    ///   - keeps: whether it then knows of before.
    ///   - isKilled: whether what it knows is from the last step but five, and what was noted since.
    ///   - isOff: whether time passes between a stop and the start. A reading that comes late then finds what time has brought.
    ///   - unit: microseconds that the stream's numbers stand for. Between two readings, and while the gateway is off, seconds
    ///     let so much time pass that it could be taken for a clock that was set.
    private static func told(
        _ rule: Rule, _ stream: [Step], stops: Set<Int> = [], keeps: Bool = true, isKilled: Bool = false,
        isOff: Bool = false, unit: Int64 = 1
    ) throws -> [String] {
        var rule = rule
        (rule.holdFor, rule.cooldown, rule.within) = (rule.holdFor * unit, rule.cooldown * unit, validity * unit)
        if case .sequence(let steps, let within) = rule.condition {
            rule.condition = .sequence(steps, within: within * unit)
        }
        func moment(_ time: Int64) -> Timestamp { Timestamp(microseconds: time * unit) }
        var rules = Rules(hasNotes: true)
        func start(_ now: Int64) {
            rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: moment(now)) {
                Watched.series[$0.point]
            }
        }
        start(0)
        var told: [String] = []
        var now: Int64 = 0
        var lastRead: Int64 = 0
        func tell(_ batch: Batch) {
            for event in batch.events {
                guard case .alarm(let alarm) = event.detail else { continue }
                let remark = alarm.remark == .none ? "" : " \(alarm.remark.name)"
                told.append("\(alarm.phase.name)\(remark) \(event.time.microseconds / unit)")
            }
        }
        var kept = (state: rules.state(isFinal: false), notes: [[UInt8]]())
        for (place, step) in stream.enumerated() {
            if stops.contains(place) {
                let active = rules.active
                let state = isKilled ? kept.state : rules.state(isFinal: true)
                rules = Rules(hasNotes: true)
                // Where it is off, until just before what comes next.
                if isOff { now = max(now, step.end - 1) }
                if keeps { try rules.restore(state, at: moment(now)) }
                for one in active { rules.restore(one.alarm, device: one.device, deviceID: "d") }
                start(now)
                if keeps, isKilled { try rules.replay(kept.notes, at: moment(now)) }
                // Time passes after a start as before a stop: a reading of the same moment comes first.
                if now > lastRead { tell(rules.advance(to: moment(now), isLast: true)) }
            }
            now = step.end
            switch step {
            case .silence(let until): tell(rules.advance(to: moment(until), isLast: true))
            case .readings(let heard, let at):
                lastRead = at
                if heard.isEmpty { continue }
                var batch = Batch()
                for one in heard {
                    batch.readings.append(
                        Reading(
                            series: Watched.series[one.point] ?? SeriesNumber(raw: 0),
                            time: moment(one.time),
                            value: one.value.map(Value.number) ?? .none, quality: one.value == nil ? .bad : .good))
                }
                batch.closeTelemetry(device: DeviceNumber(raw: 0), time: moment(heard[0].time))
                tell(rules.note(batch, now: moment(at)))
            }
            if let note = rules.takeNotes(at: moment(now)) { kept.notes.append(note) }
            if place.isMultiple(of: 5) { kept = (rules.state(isFinal: false), []) }
        }
        return told
    }

    /// The same, whether the gateway goes through, stops or is killed now and then.
    /// - Returns: whether one that knows nothing of before would have told something else.
    private static func expectSame(
        _ rule: Rule, _ stream: [Step], _ expected: [String], _ generator: inout some RandomNumberGenerator,
        hasLate: Bool, _ comment: String
    ) throws -> Bool {
        func expectSame(_ found: [String], _ expected: [String], _ how: String) {
            let place = zip(found, expected).prefix { $0 == $1 }.count
            let (one, other) = (found.dropFirst(place).prefix(2), expected.dropFirst(place).prefix(2))
            #expect(found == expected, "\(how): \(comment); \(Array(one)) for \(Array(other))")
        }
        expectSame(try told(rule, stream), expected, "through")
        let stops = Set((0..<8).map { _ in Int.random(in: 1..<stream.count, using: &generator) })
        expectSame(try told(rule, stream, stops: stops).unsettled, expected.unsettled, "stopped \(stops.sorted())")
        // That time had passed beyond a reading that comes late is forgotten in a crash.
        for (isOff, unit) in hasLate ? [] : [(false, Int64(1)), (true, 1), (true, 1_000_000)] {
            for isKilled in [false, true] {
                let told = try told(rule, stream, stops: stops, isKilled: isKilled, isOff: isOff, unit: unit)
                let how = "\(isKilled ? "killed" : "stopped") \(stops.sorted()), off \(isOff), units of \(unit) µs"
                expectSame(told.unsettled, expected.unsettled, how)
            }
        }
        return try told(rule, stream, stops: stops, keeps: false).unsettled != expected.unsettled
    }

    @Test("a condition with `for`, `until` and `cooldown`, over 300 streams")
    func conditions() throws {
        var generator = SeededGenerator()
        var (starts, forgetful) = (0, 0)
        for _ in 0..<SeededGenerator.rounds(300) {
            let holdFor = Int64.random(in: 0...25, using: &generator)
            let cooldown = Int64.random(in: 0...40, using: &generator)
            let hasUntil = Bool.random(using: &generator)
            var rule = Rule(
                name: "r", condition: .holds(try Watched.program("a > 2 and b > 1")),
                until: hasUntil ? try Watched.program("a < 2 or b < 1") : nil)
            (rule.holdFor, rule.cooldown, rule.within) = (holdFor, cooldown, Self.validity)
            let hasLate = Bool.random(using: &generator)
            let stream = Self.stream(&generator, hasLate: hasLate)
            var plain = PlainRule(holdFor: holdFor, cooldown: cooldown)
            plain.steps = [
                { known in
                    if known["a"].map({ $0 <= 2 }) ?? false || known["b"].map({ $0 <= 1 }) ?? false { return false }
                    return known.count == 2 ? true : nil
                }
            ]
            if hasUntil {
                plain.until = { known in
                    if known["a"].map({ $0 < 2 }) ?? false || known["b"].map({ $0 < 1 }) ?? false { return true }
                    return known.count == 2 ? false : nil
                }
            }
            plain.take(stream)
            starts += plain.told.count { $0.hasPrefix("start") }
            let comment = "seed \(generator.seed), for \(holdFor), cooldown \(cooldown), until \(hasUntil)"
            if try Self.expectSame(rule, stream, plain.told, &generator, hasLate: hasLate, comment) { forgetful += 1 }
        }
        #expect(starts > 300)
        #expect(forgetful > 30)
    }

    @Test("a sequence of three steps with `cooldown`, over 300 streams")
    func sequences() throws {
        var generator = SeededGenerator()
        var (starts, forgetful) = (0, 0)
        let steps = ["a > 3", "b > 3", "a < 2"]
        for _ in 0..<SeededGenerator.rounds(300) {
            let within = Int64.random(in: 5...60, using: &generator)
            let cooldown = Int64.random(in: 0...30, using: &generator)
            var rule = Rule(name: "r", condition: .sequence(try steps.map(Watched.program), within: within))
            (rule.within, rule.cooldown) = (Self.validity, cooldown)
            let hasLate = Bool.random(using: &generator)
            let stream = Self.stream(&generator, hasLate: hasLate)
            var plain = PlainRule(holdFor: 0, cooldown: cooldown)
            plain.steps = [
                { $0["a"].map { $0 > 3 } }, { $0["b"].map { $0 > 3 } }, { $0["a"].map { $0 < 2 } },
            ]
            plain.within = within
            plain.take(stream)
            starts += plain.told.count { $0.hasPrefix("start") }
            let comment = "seed \(generator.seed), within \(within), cooldown \(cooldown)"
            if try Self.expectSame(rule, stream, plain.told, &generator, hasLate: hasLate, comment) { forgetful += 1 }
        }
        #expect(starts > 150)
        #expect(forgetful > 30)
    }
}

extension [String] {
    /// Starts and ends: after a stop an alarm is unconfirmed until it is known again, which may be told.
    fileprivate var unsettled: [String] {
        map { $0.replacing(" unconfirmed", with: "") }.filter { !$0.hasPrefix("continue") }
    }
}

/// A rule that looks at every microsecond.
private struct PlainRule {
    typealias Known = [String: Double]

    var holdFor: Int64
    var cooldown: Int64
    /// Of a condition one.
    var steps: [(Known) -> Bool?] = []
    var until: ((Known) -> Bool?)?
    /// Of a sequence.
    var within: Int64?

    private(set) var told: [String] = []
    private var heard: [RuleReferenceTests.Heard] = []
    private var time: Int64 = .min
    private var newest: Int64 = 0
    private var lag: Int64 = 0
    /// Every look since the last alarm: what each step was.
    private var past: [(time: Int64, truths: [Bool?])] = []
    private var isActive = false
    private var isConfirmed = false
    private var quietUntil: Int64 = .min
    private var isSuppressed = false
    /// Looks before it are of a way that was gone already.
    private var wayFrom = 0

    init(holdFor: Int64, cooldown: Int64) {
        self.holdFor = holdFor
        self.cooldown = cooldown
    }

    mutating func take(_ stream: [RuleReferenceTests.Step]) {
        for step in stream {
            switch step {
            case .silence(let until): if time > .min { pass(until: until - lag) }
            case .readings(let readings, let at):
                let new = readings.filter { one in
                    !heard.contains { $0.point == one.point && $0.time > one.time }
                }
                guard let newest = new.map(\.time).max() else { continue }
                if time > .min { pass(until: newest - 1) }
                heard += new
                look(newest, at)
            }
        }
    }

    /// The readings that count at a time.
    private func known(_ time: Int64) -> Known {
        var last: [String: RuleReferenceTests.Heard] = [:]
        for one in heard where last[one.point].map({ $0.time <= one.time }) ?? true { last[one.point] = one }
        return last.compactMapValues { time - $0.time <= RuleReferenceTests.validity ? $0.value : nil }
    }

    private func holds(_ time: Int64) -> Bool? { steps[steps.count - 1](known(time)) }

    private mutating func tell(_ what: String, _ moment: Int64) {
        told.append("\(what) \(moment)")
        time = moment
    }

    private mutating func pass(until limit: Int64) {
        guard limit >= time else { return }
        for moment in time...limit {
            if !isActive {
                if isSuppressed {
                    if moment >= quietUntil { begin(moment, isKnown(holds(moment), moment)) }
                } else if within == nil, holds(moment) == true, let since = heldSince(moment), moment - since >= holdFor
                {
                    reached(moment)
                }
            }
            if isActive, isConfirmed { goOn(moment, asOf: moment + 1) }
        }
    }

    private mutating func look(_ newestOfEvent: Int64, _ arrival: Int64) {
        if newestOfEvent >= newest { (newest, lag) = (newestOfEvent, arrival - newestOfEvent) }
        time = max(time, newestOfEvent)
        let truths = steps.map { $0(known(time)) }
        past.append((time, truths))
        if isActive { return goOn(time, asOf: time) }
        let holds = truths.last ?? nil
        if isOver(holds, time) { isSuppressed = false }
        // Also where nothing comes after it that would let the time pass.
        defer { if isSuppressed, time >= quietUntil, holds != nil { begin(time, isKnown(holds, time)) } }
        if within != nil {
            if isSequence() {
                wayFrom = past.count
                reached(time)
            }
        } else if !isSuppressed, truths[0] == true, let since = heldSince(time), time - since >= holdFor {
            reached(time)
        }
    }

    /// Since when it holds: back to where it was false, or unknown for too long.
    private func heldSince(_ moment: Int64) -> Int64? {
        var since: Int64?
        for one in past.reversed() {
            if one.truths[0] == false { break }
            if one.truths[0] == true {
                if let since, since - one.time > RuleReferenceTests.validity { break }
                since = one.time
            } else if since == nil, moment - one.time > RuleReferenceTests.validity {
                break
            }
        }
        return since
    }

    private func isSequence() -> Bool {
        let last = steps.count - 1
        // Whether a step has begun to hold, by what was known of it last.
        func begins(_ step: Int, _ place: Int) -> Bool {
            past[place].truths[step] == true
                && past[..<place].last { $0.truths[step] != nil }?.truths[step] != true
        }
        guard begins(last, past.count - 1) else { return false }
        return past.indices.contains { first in
            first >= wayFrom && past[first].truths[0] == true && time - past[first].time <= within ?? 0
                && past.indices.dropFirst(first + 1).dropLast().contains { begins(1, $0) }
        }
    }

    private mutating func reached(_ moment: Int64) {
        if moment < quietUntil { isSuppressed = true } else { begin(moment, true) }
    }

    private mutating func begin(_ moment: Int64, _ isKnown: Bool) {
        (isActive, isConfirmed, isSuppressed) = (true, isKnown, false)
        tell(isKnown ? "start" : "start unconfirmed", moment)
    }

    /// Whether what ends an alarm is so.
    private func isOver(_ holds: Bool?, _ time: Int64) -> Bool {
        until.map { $0(known(time)) == true && holds != true } ?? (holds == false)
    }

    private func isKnown(_ holds: Bool?, _ time: Int64) -> Bool {
        holds == true || (until.map { $0(known(time)) != nil } ?? (holds != nil))
    }

    private mutating func goOn(_ moment: Int64, asOf: Int64) {
        let holds = holds(asOf)
        if isOver(holds, asOf) {
            isActive = false
            quietUntil = moment + cooldown
            if within == nil { past = [] }
            return tell("end", moment)
        }
        let isKnown = isKnown(holds, asOf)
        if isKnown != isConfirmed {
            isConfirmed = isKnown
            tell(isKnown ? "continue confirmed" : "continue unconfirmed", moment)
        }
    }
}
