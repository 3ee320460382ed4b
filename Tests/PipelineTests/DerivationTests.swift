// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Pipeline
import Testing

@testable import DeviceMaps

@Suite("Derived points")
struct DerivationTests {
    private static let p = SeriesNumber(raw: 1)
    private static let q = SeriesNumber(raw: 2)
    private static let s = SeriesNumber(raw: 9)

    private static func pipeline(_ text: String, range: ClosedRange<Double>? = nil) throws -> Pipeline {
        let program = try ExpressionCompiler.compile(text, unit: nil, names: []) { input in
            ["p", "q"].contains(input.point) ? .number(unit: nil) : nil
        }
        let derived = Derived(text: text, program: program, within: 60_000_000)
        var pipeline = Pipeline()
        let point = Point(
            name: "s", unit: "", kind: .gauge, lane: .normal, source: .derived(derived), conversion: Conversion(),
            range: range, filters: Filters())
        pipeline.add(s, point, derived, of: program.inputs.map { $0.point == "p" ? p : q })
        return pipeline
    }

    private static func reading(
        _ series: SeriesNumber, _ value: Value, _ second: Int64, _ quality: Quality = .good, _ reason: Reason = .none
    ) -> Reading {
        Reading(
            series: series, time: Timestamp(microseconds: second * 1_000_000), value: value, quality: quality,
            reason: reason)
    }

    /// What is computed of events.
    private func computed(_ pipeline: inout Pipeline, _ events: [[Reading]]) -> [Reading] {
        var batch = Batch()
        for (device, readings) in events.enumerated() {
            batch.readings += readings
            batch.closeTelemetry(device: DeviceNumber(raw: Int32(device)), time: readings[0].time)
        }
        // Whenever they were sampled: now is later.
        pipeline.interpret(&batch, now: Timestamp(microseconds: 10_000_000_000))
        #expect(batch.events.map { batch.readings[$0.readings].filter { $0.series != Self.s } } == events)
        return batch.events.flatMap { batch.readings[$0.readings] }.filter { $0.series == Self.s }
    }

    @Test("an event has what is computed of it, once, when all it needs is known")
    func events() throws {
        var pipeline = try Self.pipeline("sqrt(p*p + q*q)")
        #expect(computed(&pipeline, [[Self.reading(Self.p, .number(3), 1)]]).isEmpty)
        #expect(
            computed(
                &pipeline,
                [
                    [Self.reading(Self.q, .integer(4), 2)], [Self.reading(SeriesNumber(raw: 70), .number(0), 2)],
                    [Self.reading(Self.p, .single(6), 3), Self.reading(Self.q, .number(8), 3)],
                ]) == [Self.reading(Self.s, .number(5), 2), Self.reading(Self.s, .number(10), 3)])
    }

    @Test("what is computed is no better than what it is computed of")
    func quality() throws {
        var pipeline = try Self.pipeline("p / q", range: 0...100)
        _ = computed(&pipeline, [[Self.reading(Self.p, .number(10), 1), Self.reading(Self.q, .number(2), 1)]])
        let cases: [(Reading, Reading)] = [
            (Self.reading(Self.q, .none, 2, .bad, .timeout), Self.reading(Self.s, .none, 2, .bad, .timeout)),
            (Self.reading(Self.q, .none, 3, .absent), Self.reading(Self.s, .none, 3, .absent)),
            (
                Self.reading(Self.q, .number(5), 4, .uncertain, .stuck),
                Self.reading(Self.s, .number(2), 4, .uncertain, .doubtfulInput)
            ),
            (
                Self.reading(Self.q, .number(5), 5, .outOfRange),
                Self.reading(Self.s, .number(2), 5, .uncertain, .doubtfulInput)
            ),
            (Self.reading(Self.q, .number(0), 6), Self.reading(Self.s, .none, 6, .bad, .notANumber)),
            (Self.reading(Self.q, .text(0), 7), Self.reading(Self.s, .none, 7, .bad, .wrongType)),
            (Self.reading(Self.q, .number(0.01), 8), Self.reading(Self.s, .number(1_000), 8, .outOfRange)),
            (Self.reading(Self.q, .number(4), 61), Self.reading(Self.s, .number(2.5), 61)),
            (Self.reading(Self.q, .number(4), 62), Self.reading(Self.s, .number(2.5), 62, .uncertain, .stale)),
        ]
        for (input, expected) in cases { #expect(computed(&pipeline, [[input]]) == [expected]) }
    }

    @Test("a reading that comes late changes nothing, and what is known by the good ones alone is good: as with rules")
    func asRules() throws {
        var sum = try Self.pipeline("q - p")
        #expect(computed(&sum, [[Self.reading(Self.p, .number(10), 10)]]).isEmpty)
        #expect(computed(&sum, [[Self.reading(Self.q, .number(11), 11)]]).map(\.value) == [.number(1)])
        #expect(computed(&sum, [[Self.reading(Self.p, .number(100), 5)]]).isEmpty)
        #expect(computed(&sum, [[Self.reading(Self.q, .number(13), 12)]]).map(\.value) == [.number(3)])
        var either = try Self.pipeline("p > 0 or q > 0")
        _ = computed(&either, [[Self.reading(Self.p, .number(1), 1), Self.reading(Self.q, .number(0), 1)]])
        #expect(
            computed(&either, [[Self.reading(Self.q, .none, 2, .bad, .timeout)]])
                == [Self.reading(Self.s, .boolean(true), 2)])
        #expect(
            computed(&either, [[Self.reading(Self.p, .number(0), 3)]])
                == [Self.reading(Self.s, .none, 3, .bad, .timeout)])
        #expect(
            computed(&either, [[Self.reading(Self.q, .number(1), 4, .uncertain, .spike)]])
                == [Self.reading(Self.s, .boolean(true), 4, .uncertain, .doubtfulInput)])
    }

    @Test("a yes or no is one")
    func truth() throws {
        var pipeline = try Self.pipeline("p > q")
        #expect(
            computed(&pipeline, [[Self.reading(Self.p, .number(3), 1), Self.reading(Self.q, .number(2), 1)]])
                == [Self.reading(Self.s, .boolean(true), 1)])
    }
}
