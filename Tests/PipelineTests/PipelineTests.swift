// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Pipeline
import Testing

@testable import DeviceMaps

@Suite("Pipeline")
struct PipelineTests {
    private static let series = SeriesNumber(raw: 41)

    private static func point(
        range: ClosedRange<Double>? = nil, deadband: Deadband? = nil, atLeast: Int64? = nil,
        conversion: Conversion = Conversion()
    ) -> Point {
        var filters = Filters()
        filters.deadband = deadband
        filters.atLeast = atLeast
        return point(filters, range: range, conversion: conversion)
    }

    private static func point(
        _ filters: Filters, range: ClosedRange<Double>? = nil, conversion: Conversion = Conversion()
    ) -> Point {
        Point(
            name: "p", unit: "V", kind: .gauge, lane: .normal,
            source: .message(MessageSource(topic: "", payload: .number)), conversion: conversion, range: range,
            filters: filters)
    }

    /// What is let pass of readings that come a second apart.
    private func passed(_ point: Point, _ readings: [(Value, Quality)]) -> [Reading] {
        var pipeline = Pipeline()
        pipeline.add(Self.series, point)
        return readings.enumerated().flatMap { second, one in
            var batch = Batch()
            let time = Timestamp(microseconds: Int64(second) * 1_000_000)
            batch.readings.append(Reading(series: Self.series, time: time, value: one.0, quality: one.1))
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
            pipeline.interpret(&batch)
            _ = pipeline.filter(&batch)
            return batch.readings
        }
    }

    private func seconds(_ readings: [Reading]) -> [Int64] { readings.map { $0.time.microseconds / 1_000_000 } }

    @Test("a reading inside the deadband is no news, measured from the last one sent")
    func deadband() {
        let values: [Double] = [10, 10.4, 10.8, 10.5, 11.1, 11.2, 10]
        let passed = passed(Self.point(deadband: .absolute(0.5)), values.map { (.number($0), .good) })
        #expect(seconds(passed) == [0, 2, 6])
    }

    @Test("a series that means something else from now on is read as that")
    func redefined() {
        var pipeline = Pipeline()
        var labelled = Conversion()
        labelled.labels = [3: "three"]
        var values: [String] = []
        for point in [Self.point(range: 0...2, deadband: .absolute(1)), Self.point(conversion: labelled)] {
            pipeline.add(Self.series, point)
            var batch = Batch()
            let time = Timestamp(microseconds: 0)
            batch.readings.append(Reading(series: Self.series, time: time, value: .integer(3)))
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
            pipeline.interpret(&batch)
            _ = pipeline.filter(&batch)
            for reading in batch.readings {
                let text = if case .text(let place) = reading.value { batch.text(at: place) } else { "3" }
                values.append("\(text) \(reading.quality.name)")
            }
        }
        #expect(values == ["3 out_of_range", "three good"])
    }

    @Test("what was let pass and then lost is forgotten: the next reading is news")
    func forgotten() {
        var pipeline = Pipeline()
        pipeline.add(Self.series, Self.point(deadband: .absolute(0.5)))
        func pass(_ value: Double) -> Batch {
            var batch = Batch()
            let time = Timestamp(microseconds: 0)
            batch.readings.append(Reading(series: Self.series, time: time, value: .number(value)))
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
            _ = pipeline.filter(&batch)
            return batch
        }
        _ = pass(1)
        let lost = pass(2)
        #expect(lost.readings.count == 1)
        pipeline.forget(lost)
        #expect(pass(2).readings.count == 1)
        #expect(pass(2).readings.isEmpty)
    }

    @Test("a relative deadband is a share of the last value sent")
    func relativeDeadband() {
        let values: [Double] = [1_000, 1_009, 1_011, -5, -5.04, -5.06]
        let passed = passed(Self.point(deadband: .relative(0.01)), values.map { (.number($0), .good) })
        #expect(seconds(passed) == [0, 2, 3, 5])
    }

    @Test("with a deadband of 0 any change is news")
    func zeroDeadband() {
        let passed = passed(
            Self.point(deadband: .absolute(0)), [1, 1, 2, 2, 1].map { (.integer($0), .good) })
        #expect(seconds(passed) == [0, 2, 4])
    }

    @Test("after `max_interval` of silence a reading passes whatever it says")
    func atLeast() {
        let passed = passed(
            Self.point(deadband: .absolute(1), atLeast: 3_000_000), Array(repeating: (.number(5), .good), count: 8))
        #expect(seconds(passed) == [0, 3, 6])
    }

    @Test("a change of quality is news, inside the deadband too")
    func qualityChange() {
        let passed = passed(
            Self.point(deadband: .absolute(10)),
            [(.number(5), .good), (.number(5), .uncertain), (.number(5), .uncertain), (.number(5), .good)])
        #expect(seconds(passed) == [0, 1, 3])
    }

    @Test("booleans and texts are news when they change")
    func booleans() {
        let passed = passed(
            Self.point(deadband: .absolute(0)), [true, true, false, false].map { (.boolean($0), .good) })
        #expect(seconds(passed) == [0, 2])
    }

    @Test("without a deadband every reading passes, but a bad one only once")
    func badOnce() {
        let passed = passed(
            Self.point(),
            [(.number(1), .good), (.number(1), .good), (.none, .bad), (.none, .bad), (.number(1), .good)])
        #expect(seconds(passed) == [0, 1, 2, 4])
    }

    @Test("what lies outside the range is marked, not changed")
    func range() {
        let passed = passed(
            Self.point(range: 0...500), [(.number(500), .good), (.number(500.1), .good), (.integer(-1), .good)])
        #expect(passed.map(\.quality) == [.good, .outOfRange, .outOfRange])
        #expect(passed[1].value == .number(500.1))
    }

    @Test("what has a range and is no number is bad")
    func rangeOfText() {
        let passed = passed(Self.point(range: 0...500), [(.boolean(true), .good)])
        #expect(passed[0].quality == .bad && passed[0].reason == .wrongType && passed[0].value == .none)
    }

    @Test("the range is of the value that is meant, not of the raw one")
    func rangeAfterScale() throws {
        let conversion = Conversion(scale: try #require(Decimal("0.1")), offset: .zero)
        let passed = passed(Self.point(range: 0...500, conversion: conversion), [(.integer(2_305), .good)])
        #expect(passed[0].value == .number(230.5) && passed[0].quality == .good)
    }

    @Test("series whose numbers lie far apart and in any order keep to themselves")
    func manySeries() {
        var pipeline = Pipeline()
        let numbers: [Int32] = [500, 3, 90, 499, 1_000]
        for number in numbers { pipeline.add(SeriesNumber(raw: number), Self.point(deadband: .absolute(0))) }
        for round in 0..<2 {
            var batch = Batch()
            for number in numbers {
                batch.readings.append(
                    Reading(
                        series: SeriesNumber(raw: number), time: Timestamp(microseconds: 0),
                        value: .integer(Int64(number)))
                )
            }
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Timestamp(microseconds: 0))
            #expect(pipeline.filter(&batch).total == (round == 0 ? 0 : numbers.count))
        }
    }
}
