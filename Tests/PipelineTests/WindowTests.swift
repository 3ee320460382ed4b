// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import TestSupport
import Testing

@testable import Pipeline

/// Windows over the points `a` (a gauge) and `b` (a counter) of one device.
struct Windowed {
    static let a = SeriesNumber(raw: 5)
    static let b = SeriesNumber(raw: 2)
    static let device = DeviceNumber(raw: 0)
    private(set) var windows: Windows
    private let window: Window

    init(
        _ span: Window.Span, lateness: Int64 = 0,
        _ figures: [Figure] = [.min, .max, .mean, .timeMean, .last, .delta, .deviation, .quantile(500)]
    ) {
        let window = Window(name: "w", span: span, lateness: lateness, figures: figures)
        self.window = window
        windows = Self.windows(window)
    }

    static func windows(_ window: Window) -> Windows {
        Windows { series in
            guard series == a || series == b else { return nil }
            let point = WindowPoint(series: series, isCounter: series == b, span: 100)
            return Windows.Membership(point: point, device: device, windows: [window])
        }
    }

    /// As it is after a stop.
    /// - Parameter resumed: also goes on from there, after a while.
    mutating func restart(resumed: Bool = false) throws {
        var next = Self.windows(window)
        try next.restore(windows.state)
        #expect(next.open == windows.open)
        var out = Batch()
        if resumed { next.reconcile(isWanted: { _, _, _ in true }, into: &out) }
        windows = next
    }

    mutating func hear(_ time: Int64, _ a: Double? = nil, b: Double? = nil, now: Int64? = nil) -> [Told] {
        var readings: [Reading] = []
        for (series, number) in [(Self.a, a), (Self.b, b)] {
            guard let number else { continue }
            let time = Timestamp(microseconds: time)
            readings.append(
                number.isNaN
                    ? .bad(series, time: time, .timeout) : Reading(series: series, time: time, value: .number(number)))
        }
        var out = Batch()
        windows.take(readings, now: Timestamp(microseconds: now ?? time), into: &out)
        return Told.all(out)
    }

    mutating func wait(until now: Int64) -> [Told] {
        var out = Batch()
        windows.advance(to: Timestamp(microseconds: now), into: &out)
        return Told.all(out)
    }
}

/// What is told of one point of one window.
struct Told: Equatable, CustomStringConvertible {
    var from: Int64
    var to: Int64
    var series: SeriesNumber
    var figures: [Figure: Double]
    var isPartial = false

    static func all(_ batch: Batch) -> [Told] {
        batch.events.flatMap { event -> [Told] in
            guard case .aggregate(let aggregate) = event.detail else { return [] }
            let readings = Array(batch.readings[event.readings])
            return stride(from: 0, to: readings.count, by: aggregate.figures.count).map { first in
                var told = Told(
                    from: aggregate.from.microseconds, to: aggregate.to.microseconds, series: readings[first].series,
                    figures: [:], isPartial: aggregate.isPartial)
                for (figure, reading) in zip(aggregate.figures, readings[first...]) {
                    told.figures[figure] = reading.value.asNumber
                }
                return told
            }
        }
    }

    var description: String {
        "\(from)..<\(to) of \(series.raw)\(isPartial ? " in part" : ""): "
            + figures.map { "\($0.key.name) \($0.value)" }.sorted().joined(separator: ", ")
    }
}

@Suite("Windows")
struct WindowTests {
    @Test("side by side: each window is told once it is over, with the figures that are asked for")
    func tumbling() {
        var windowed = Windowed(.fixed(size: 10, every: 10))
        #expect(windowed.hear(20, 4).isEmpty)
        #expect(windowed.hear(22, 8).isEmpty)
        #expect(windowed.hear(28, .nan).isEmpty)
        let told = windowed.hear(31, 5)
        #expect(told.count == 1 && told.first?.from == 20 && told.first?.to == 30 && told.first?.isPartial == false)
        let figures = told.first?.figures ?? [:]
        #expect(figures[.count] == 2 && figures[.unusable] == 1 && figures[.late] == nil)
        #expect(figures[.min] == 4 && figures[.max] == 8 && figures[.mean] == 6 && figures[.last] == 8)
        // 4 for 2, 8 for 6; then nobody knows.
        #expect(figures[.timeMean] == 7)
        #expect(abs((figures[.deviation] ?? 0) - 8.0.squareRoot()) < 1e-12)
        #expect(abs((figures[.quantile(500)] ?? 0) - 4) <= 0.04)
        #expect(figures[.delta] == nil)
    }

    @Test("a window that is not watched from its beginning says so")
    func partial() {
        var windowed = Windowed(.fixed(size: 10, every: 10))
        #expect(windowed.hear(23, 1).isEmpty)
        #expect(windowed.hear(30, 1).map(\.isPartial) == [true])
        #expect(windowed.hear(40, 1).map(\.isPartial) == [false])
        var overlapping = Windowed(.fixed(size: 20, every: 10))
        #expect(overlapping.hear(20, 1).isEmpty)
        #expect(overlapping.hear(30, 2).map(\.isPartial) == [true])
        let told = overlapping.hear(40, 3)
        #expect(told.map(\.isPartial) == [false] && told.first?.from == 20 && told.first?.figures[.mean] == 1.5)
    }

    @Test("where nothing comes a window is closed all the same, when what is late could have come")
    func silence() {
        var windowed = Windowed(.fixed(size: 10, every: 10), lateness: 3)
        #expect(windowed.hear(20, 1, now: 1_000).isEmpty)
        #expect(windowed.windows.nextDue == Timestamp(microseconds: 1_013))
        #expect(windowed.wait(until: 1_012).isEmpty)
        #expect(windowed.wait(until: 1_013).map(\.to) == [30])
        #expect(windowed.windows.nextDue == nil)
    }

    @Test(
        "nobody looks again before there is something to see",
        arguments: [
            Window.Span.fixed(size: 10_000_000, every: 10_000_000), .fixed(size: 40_000_000, every: 10_000_000),
            .session(gap: 8_000_000),
        ])
    func due(span: Window.Span) {
        var random = SeededGenerator()
        for _ in 0..<200 {
            var windowed = Windowed(span, lateness: Int64.random(in: 0...20_000_000, using: &random))
            var now: Int64 = 1_000_000_000
            for _ in 0..<20 {
                now += Int64.random(in: 0...30_000_000, using: &random)
                _ = windowed.hear(now - Int64.random(in: 0...5_000_000, using: &random), 1, now: now)
                var looks = 0
                while let due = windowed.windows.nextDue, due.microseconds < now + 20_000_000 {
                    _ = windowed.wait(until: due.microseconds)
                    looks += 1
                }
                // Each ends a window, but for those that time has overtaken.
                #expect(looks <= 8, "HEADGATE_SEED=\(random.seed)")
            }
        }
    }

    @Test("what is late is in no window, and counted")
    func late() {
        var windowed = Windowed(.fixed(size: 10, every: 10), lateness: 5, [.mean])
        #expect(windowed.hear(20, 1).isEmpty)
        #expect(windowed.hear(33, 3).isEmpty)
        #expect(windowed.hear(29, 2).isEmpty, "late, but not too late")
        #expect(windowed.hear(27, 7).isEmpty)
        let told = windowed.hear(36, 3)
        #expect(told.map { $0.figures[.mean] } == [1.5] && told.first?.figures[.late] == 1)
    }

    @Test("one late reading after the other is another time: what is open is closed, and it begins anew")
    func setBack() {
        var windowed = Windowed(.fixed(size: 10, every: 10), [.mean])
        #expect(windowed.hear(1_000, 1).isEmpty)
        var told: [Told] = []
        for time in 0..<30 { told += windowed.hear(Int64(100 + time), 2, now: 1_001 + Int64(time) / 10) }
        #expect(told.first?.from == 1_000 && told.first?.isPartial == true)
        #expect(told.last?.from == 110 && told.last?.figures[.mean] == 2)
    }

    @Test("a device that says much at once and then nothing is not late")
    func bursts() {
        var windowed = Windowed(.fixed(size: 900, every: 900), lateness: 5, [.mean])
        var told: [Told] = []
        for minute: Int64 in 0..<32 {
            for second: Int64 in 0..<60 { told += windowed.hear(minute * 60 + second, 1, now: minute * 60 + 60) }
            for second: Int64 in 1..<60 { told += windowed.wait(until: minute * 60 + 60 + second) }
        }
        #expect(told.map(\.from) == [0, 900] && told.allSatisfy { !$0.isPartial && $0.figures[.count] == 900 })
    }

    @Test("one late message of many points is one late moment")
    func lateMessage() {
        var out = Batch()
        let window = Window(name: "w", span: .fixed(size: 900, every: 900), lateness: 0, figures: [.mean])
        var windows = Windows { series in
            .init(point: WindowPoint(series: series), device: Windowed.device, windows: [window])
        }
        func say(_ time: Int64) {
            let readings = (0..<30).map {
                Reading(series: SeriesNumber(raw: $0), time: Timestamp(microseconds: time), value: .number(1))
            }
            windows.take(readings, now: Timestamp(microseconds: 100), into: &out)
        }
        say(50)
        say(10)
        say(51)
        #expect(out.isEmpty)
        windows.advance(to: Timestamp(microseconds: 10_000), into: &out)
        let told = Told.all(out)
        #expect(told.count == 30 && told.allSatisfy { $0.figures == [.count: 2, .late: 1, .mean: 1] })
    }

    @Test("windows that were open while nobody watched say so, those before and after do not")
    func stopped() throws {
        var windowed = Windowed(.fixed(size: 10, every: 10), lateness: 3, [.timeMean])
        #expect(windowed.hear(0, 3).isEmpty)
        #expect(windowed.hear(9, 3).isEmpty)
        #expect(windowed.hear(11, 3).isEmpty)
        try windowed.restart(resumed: true)
        var told = windowed.hear(25, 9)
        for time: Int64 in 26..<60 { told += windowed.hear(time, 9) }
        #expect(told.map(\.from) == [0, 10, 20, 30, 40] && told.map(\.isPartial) == [false, true, true, false, false])
        #expect(told.map { $0.figures[.timeMean] } == [3, 3, 9, 9, 9])
    }

    @Test("a session lasts while no pause is too long")
    func session() {
        var windowed = Windowed(.session(gap: 10), [.mean])
        for time: Int64 in [0, 7, 17] { #expect(windowed.hear(time, Double(time)).isEmpty) }
        let told = windowed.hear(28, 1)
        #expect(told.map(\.from) == [0] && told.map(\.to) == [27] && told.first?.figures[.mean] == 8)
        #expect(windowed.wait(until: 38).isEmpty)
        #expect(windowed.wait(until: 39).map(\.from) == [28])
    }

    @Test("a counter counts over its rollover and its return to zero, from window to window")
    func counter() {
        var windowed = Windowed(.fixed(size: 10, every: 10), [.delta])
        #expect(windowed.hear(0, b: 90).isEmpty)
        #expect(windowed.hear(5, b: 95).isEmpty)
        #expect(windowed.hear(10, b: 3).map { $0.figures[.delta] } == [5])
        #expect(windowed.hear(15, b: 60).isEmpty)
        #expect(windowed.hear(18, b: 4).isEmpty)
        // 8 over the rollover, 57, and 4 since the return.
        #expect(windowed.hear(20, b: 4).map { $0.figures[.delta] } == [69])
        #expect(windowed.hear(25, b: .nan).isEmpty)
        #expect(windowed.hear(30, b: 10).map { $0.figures[.delta] } == [0])
        #expect(windowed.hear(40, b: 10).map { $0.figures[.delta] } == [6])
    }

    @Test("quantiles are within 1 % of what was there, of all kinds of numbers, together and apart")
    func quantiles() {
        var random = SeededGenerator()
        let kinds: [(inout SeededGenerator) -> Double] = [
            { .random(in: 0...1, using: &$0) }, { .random(in: -1e6...1e6, using: &$0) },
            { exp(.random(in: -40...40, using: &$0)) }, { -exp(.random(in: -300...300, using: &$0)) },
            { Double(Int.random(in: -3...3, using: &$0)) }, { 230 + .random(in: -5...5, using: &$0) },
        ]
        for kind in kinds {
            for count in [1, 2, 10, 1_000] {
                let numbers = (0..<count).map { _ in kind(&random) }.sorted()
                var (one, other) = (QuantileSketch(), QuantileSketch())
                for (place, number) in numbers.shuffled(using: &random).enumerated() {
                    if place.isMultiple(of: 3) { one.add(number) } else { other.add(number) }
                }
                one.merge(other)
                #expect(one.count == count)
                let greatest = numbers.map(abs).max() ?? 0
                for share in [0.0, 0.01, 0.5, 0.9, 0.99, 1] {
                    let exact = numbers[Int((share * Double(count - 1)).rounded(.down))]
                    // What is nothing beside the others is told as the least of what is something.
                    let error = max(abs(exact) * 0.0100001, greatest * 1e-17)
                    let told = one.quantile(share) ?? .nan
                    #expect(
                        abs(told - exact) <= error,
                        "\(share) of \(count): \(told) for \(exact); HEADGATE_SEED=\(random.seed)")
                }
            }
        }
        #expect(QuantileSketch().quantile(0.5) == nil)
    }

    @Test("what is written down is read back, and what is damaged is refused")
    func state() throws {
        var windowed = Windowed(.fixed(size: 20, every: 10), lateness: 5)
        for time in 0..<40 {
            _ = windowed.hear(Int64(time), time.isMultiple(of: 7) ? .nan : Double(time) - 20, b: Double(time % 30))
        }
        try windowed.restart()
        let state = windowed.windows.state
        var random = SeededGenerator(fixed: 1)
        for place in state.indices {
            var damaged = state
            damaged[place] ^= UInt8.random(in: 1...255, using: &random)
            var other = windowed.windows
            try? other.restore(damaged)
            try? other.restore(Array(state[..<place]))
        }
    }
}
