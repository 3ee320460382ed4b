// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import DeviceMaps
@testable import Pipeline

/// Rules beside the plainest thing that does the same: it keeps all that was ever heard and looks through it each time.
@Suite("Rules beside a reference")
struct RuleReferenceTests {
    private struct Heard {
        var point: String
        var time: Int64
        var value: Double?
    }

    private static let validity: Int64 = 20

    /// What is said at a time, by all that was heard until then: yes, no or nothing.
    private static func truth(
        _ heard: [Heard], at time: Int64, _ judge: ([String: Double]) -> Bool?
    ) -> Bool? {
        var known: [String: Heard] = [:]
        for one in heard where known[one.point].map({ $0.time <= one.time }) ?? true { known[one.point] = one }
        return judge(
            known.compactMapValues { time - $0.time <= validity ? $0.value : nil })
    }

    /// A stream with gaps, doubtful readings, late ones and ones that come twice.
    private static func stream(_ generator: inout SystemRandomNumberGenerator) -> [[Heard]] {
        var time: Int64 = 0
        return (0..<120).map { _ in
            time += Int64.random(in: 0...(Bool.random(using: &generator) ? 6 : 30), using: &generator)
            return ["a", "b"].filter { _ in Int.random(in: 0..<3, using: &generator) > 0 }.map { point in
                let late: Int64 = Int.random(in: 0..<6, using: &generator) == 0 ? 15 : 0
                let isGood = Int.random(in: 0..<6, using: &generator) > 0
                return Heard(
                    point: point, time: max(0, time - late),
                    value: isGood ? Double(Int.random(in: 0..<6, using: &generator)) : nil)
            }
        }
    }

    /// When something is told by the rules.
    /// - Parameter stops: before which events the gateway stops and starts; what it then knows of before.
    private static func told(
        _ rule: Rule, _ stream: [[Heard]], stops: Set<Int> = [], keeps: Bool = true
    ) throws -> [String] {
        var rules = Rules()
        func start() {
            rules.add(rule, device: DeviceNumber(raw: 0), deviceID: "d", now: Timestamp(microseconds: .max)) {
                Watched.series[$0.point]
            }
        }
        start()
        var told: [String] = []
        for (place, heard) in stream.enumerated() where !heard.isEmpty {
            if stops.contains(place) {
                let (state, active) = (rules.state(isFinal: true), rules.active)
                rules = Rules()
                if keeps { try rules.restore(state, at: Timestamp(microseconds: .max)) }
                for one in active { rules.restore(one.alarm, device: one.device, deviceID: "d") }
                start()
            }
            var batch = Batch()
            for one in heard {
                batch.readings.append(
                    Reading(
                        series: Watched.series[one.point] ?? SeriesNumber(raw: 0),
                        time: Timestamp(microseconds: one.time),
                        value: one.value.map(Value.number) ?? .none, quality: one.value == nil ? .bad : .good))
            }
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Timestamp(microseconds: heard[0].time))
            for event in rules.note(batch, now: Timestamp(microseconds: .max)).events {
                guard case .alarm(let alarm) = event.detail, alarm.phase != .continue else { continue }
                told.append("\(alarm.phase.name) \(event.time.microseconds)")
            }
        }
        return told
    }

    /// The same, whether the gateway goes through or stops now and then.
    /// - Returns: whether one that knows nothing of before would have told something else.
    private static func expectSame(_ rule: Rule, _ stream: [[Heard]], _ expected: [String]) throws -> Bool {
        let comment: Comment = "\(stream.map { $0.map { "\($0.point) \($0.time) \($0.value ?? .nan)" } })"
        #expect(try told(rule, stream) == expected, comment)
        let stops = Set((0..<8).map { _ in Int.random(in: 1..<stream.count) })
        #expect(try told(rule, stream, stops: stops) == expected, "stopped before \(stops): \(comment)")
        return try told(rule, stream, stops: stops, keeps: false) != expected
    }

    /// The times at which rules look, each with what had been heard: where something new of a point has come.
    private static func looks(_ stream: [[Heard]]) -> [(time: Int64, heard: [Heard])] {
        var looks: [(time: Int64, heard: [Heard])] = []
        var all: [Heard] = []
        for heard in stream {
            let new = heard.filter { one in !all.contains { $0.point == one.point && $0.time > one.time } }
            all += new
            if let time = new.map(\.time).max() { looks.append((max(time, looks.last?.time ?? 0), all)) }
        }
        return looks
    }

    @Test("a condition with `for`, `until` and `cooldown`, over 300 streams")
    func conditions() throws {
        var generator = SystemRandomNumberGenerator()
        var (starts, forgetful) = (0, 0)
        for _ in 0..<300 {
            let holdFor = Int64.random(in: 0...25, using: &generator)
            let cooldown = Int64.random(in: 0...25, using: &generator)
            var rule = Rule(
                name: "r", condition: .holds(try Watched.program("a > 2 and b > 1")),
                until: try Watched.program("a < 2 or b < 1"))
            (rule.holdFor, rule.cooldown, rule.validity) = (holdFor, cooldown, Self.validity)
            let stream = Self.stream(&generator)
            func holds(_ known: [String: Double]) -> Bool? {
                if known["a"].map({ $0 <= 2 }) ?? false || known["b"].map({ $0 <= 1 }) ?? false { return false }
                return known.count == 2 ? true : nil
            }
            func isOver(_ known: [String: Double]) -> Bool? {
                known["a"].map { $0 < 2 } ?? false || known["b"].map { $0 < 1 } ?? false
            }
            var expected: [String] = []
            var isActive = false
            var past: [(time: Int64, holds: Bool?)] = []
            var lastEnd: Int64?
            for look in Self.looks(stream) {
                let now = Self.truth(look.heard, at: look.time, holds)
                if isActive {
                    if Self.truth(look.heard, at: look.time, isOver) == true, now != true {
                        expected.append("end \(look.time)")
                        (isActive, lastEnd, past) = (false, look.time, [])
                    } else if now == true {
                        past = [(look.time, nil)]
                    }
                    continue
                }
                past.append((look.time, now))
                guard now == true else { continue }
                // Back to where it was no, or not known for too long.
                var since = look.time
                for one in past.reversed() {
                    if one.holds == false { break }
                    if one.holds == true {
                        if since - one.time > Self.validity { break }
                        since = one.time
                    }
                }
                let isQuiet = lastEnd.map { look.time < $0 + cooldown } ?? false
                if look.time - since >= holdFor, !isQuiet {
                    expected.append("start \(look.time)")
                    isActive = true
                    starts += 1
                }
            }
            if try Self.expectSame(rule, stream, expected) { forgetful += 1 }
        }
        #expect(starts > 300)
        #expect(forgetful > 30)
    }

    @Test("a sequence of three steps, over 300 streams")
    func sequences() throws {
        var generator = SystemRandomNumberGenerator()
        var (starts, forgetful) = (0, 0)
        let steps = ["a > 3", "b > 3", "a < 2"]
        for _ in 0..<300 {
            let within = Int64.random(in: 5...60, using: &generator)
            var rule = Rule(name: "r", condition: .sequence(try steps.map(Watched.program), within: within))
            rule.validity = Self.validity
            let stream = Self.stream(&generator)
            let judges: [([String: Double]) -> Bool?] = [
                { $0["a"].map { $0 > 3 } }, { $0["b"].map { $0 > 3 } }, { $0["a"].map { $0 < 2 } },
            ]
            var past: [(time: Int64, truths: [Bool?])] = []
            var expected: [String] = []
            var isActive = false
            var since = 0
            for look in Self.looks(stream) {
                let now = judges.map { Self.truth(look.heard, at: look.time, $0) }
                defer { past.append((look.time, now)) }
                if isActive {
                    if now[2] == false {
                        expected.append("end \(look.time)")
                        isActive = false
                    }
                    continue
                }
                guard now[2] == true else { continue }
                // Whether a step has begun to hold, by what was known of it last.
                func begins(_ step: Int, _ truth: Bool?, before place: Int) -> Bool {
                    truth == true && past[..<place].last { $0.truths[step] != nil }?.truths[step] != true
                }
                let isThere = past.indices.contains { first in
                    first >= since && past[first].truths[0] == true && look.time - past[first].time <= within
                        && past.indices.dropFirst(first + 1).contains { begins(1, past[$0].truths[1], before: $0) }
                }
                // Each way is gone once: what comes of this look is for the next.
                if isThere, begins(2, now[2], before: past.count) {
                    since = past.count
                    expected.append("start \(look.time)")
                    isActive = true
                    starts += 1
                }
            }
            if try Self.expectSame(rule, stream, expected) { forgetful += 1 }
        }
        #expect(starts > 300)
        #expect(forgetful > 30)
    }
}
