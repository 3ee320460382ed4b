// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import TestSupport
import Testing

@testable import Pipeline

/// Windows beside the plainest thing that does the same: it keeps all readings, and looks through them for each window.
@Suite("Windows beside a reference")
struct WindowReferenceTests {
    private struct Heard {
        var time: Int64
        var now: Int64
        /// Nil of what is not good.
        var a: Double?
        var b: Double?
    }

    private static func stream(_ random: inout SeededGenerator) -> [Heard] {
        var now: Int64 = 1_000
        var counter = 0.0
        return (0..<200).map { _ in
            now += Int64.random(in: 0...(Int.random(in: 0..<20, using: &random) == 0 ? 120 : 6), using: &random)
            counter += Double(Int.random(in: 0...9, using: &random))
            if counter >= 100 { counter -= 100 }
            if Int.random(in: 0..<40, using: &random) == 0 { counter = 0 }
            let isLate = Int.random(in: 0..<4, using: &random) == 0
            return Heard(
                time: now - (isLate ? Int64.random(in: 0...30, using: &random) : 0), now: now,
                a: Int.random(in: 0..<8, using: &random) == 0 ? nil : Double.random(in: -50...50, using: &random),
                b: Int.random(in: 0..<8, using: &random) == 0 ? nil : counter)
        }
    }

    /// Those that are not late, in the order of their times. How far the device's clock is goes by its newest reading.
    private static func inTime(_ stream: [Heard], _ span: Window.Span, lateness: Int64) -> [Heard] {
        var frontier = Int64.min
        var newest: (time: Int64, now: Int64)?
        var kept: [Heard] = []
        for heard in stream {
            if heard.time >= frontier { kept.append(heard) }
            if heard.time >= frontier, heard.time > newest?.time ?? .min { newest = (heard.time, heard.now) }
            guard let newest else { continue }
            let elapsed = newest.time + heard.now - newest.now - lateness
            frontier = max(frontier, newest.time - lateness)
            switch span {
            case .fixed(_, let every): frontier = max(frontier, elapsed / every * every)
            case .session(let gap): if elapsed > newest.time + gap { frontier = max(frontier, newest.time + gap + 1) }
            }
        }
        return kept.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
    }

    private static func spans(_ span: Window.Span, _ kept: [Heard]) -> [(from: Int64, to: Int64)] {
        switch span {
        case .fixed(let size, let every):
            let last = kept.last?.time ?? 0
            return stride(from: 0, through: last + size, by: Int(every)).map { (Int64($0) - size, Int64($0)) }
        case .session(let gap):
            var spans: [(from: Int64, to: Int64)] = []
            for heard in kept {
                if let open = spans.last, heard.time <= open.to {
                    spans[spans.count - 1].to = heard.time + gap
                } else {
                    spans.append((heard.time, heard.time + gap))
                }
            }
            return spans
        }
    }

    private static func expected(
        _ all: [(time: Int64, value: Double?)], _ series: SeriesNumber, from: Int64, to: Int64
    ) -> [Figure: Double]? {
        let within = all.filter { $0.time >= from && $0.time < to }
        let good = within.compactMap(\.value)
        if within.isEmpty { return nil }
        var figures: [Figure: Double] = [.count: Double(good.count)]
        if good.count < within.count { figures[.unusable] = Double(within.count - good.count) }
        if let least = good.min(), let greatest = good.max(), let last = good.last {
            (figures[.min], figures[.max], figures[.last]) = (least, greatest, last)
            let mean = good.reduce(0, +) / Double(good.count)
            figures[.mean] = mean
            let square = good.reduce(0) { $0 + $1 * $1 } / Double(good.count)
            let peak = good.map(abs).max() ?? 0
            (figures[.rms], figures[.peak]) = (square.squareRoot(), peak)
            if square > 0 { figures[.crest] = peak / square.squareRoot() }
            let second = good.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(good.count)
            let fourth =
                good.reduce(0) { $0 + ($1 - mean) * ($1 - mean) * ($1 - mean) * ($1 - mean) } / Double(good.count)
            if second > 1e-12 { figures[.kurtosis] = fourth / (second * second) }
            if good.count > 1 {
                figures[.deviation] =
                    (good.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(good.count - 1)).squareRoot()
            }
        }
        var (integral, covered) = (0.0, 0.0)
        for (place, one) in all.enumerated() {
            guard let value = one.value else { continue }
            let until = place + 1 < all.count ? all[place + 1].time : Int64.max
            let stood = min(until, to) - max(one.time, from)
            if stood > 0 { (integral, covered) = (integral + value * Double(stood), covered + Double(stood)) }
        }
        if covered > 0 { figures[.timeMean] = integral / covered }
        if series == Windowed.b { figures[.delta] = delta(all, from: from, to: to) }
        return figures
    }

    private static func delta(_ all: [(time: Int64, value: Double?)], from: Int64, to: Int64) -> Double? {
        var before: Double?
        var sum: Double?
        for one in all {
            guard let value = one.value else { continue }
            if let before, one.time >= from, one.time < to {
                let wrapped = 100 - before + value
                sum = (sum ?? 0) + (value >= before ? value - before : wrapped <= 25 ? wrapped : value)
            }
            before = value
        }
        return sum
    }

    @Test(
        "fixed, overlapping and session windows, with late readings and restarts, over 100 streams each",
        arguments: [
            Window.Span.fixed(size: 20, every: 20), .fixed(size: 60, every: 20), .session(gap: 8),
            .fixed(size: 40, every: 10),
        ])
    func reference(span: Window.Span) throws {
        let figures: [Figure] = [
            .min, .max, .mean, .timeMean, .last, .delta, .deviation, .rms, .peak, .crest, .kurtosis,
        ]
        var random = SeededGenerator()
        let seed = "HEADGATE_SEED=\(random.seed)"
        for round in 0..<100 {
            let lateness = Int64.random(in: 0...20, using: &random)
            let stream = Self.stream(&random)
            var windowed = Windowed(span, lateness: lateness, figures)
            var told: [Told] = []
            for heard in stream {
                told += windowed.hear(heard.time, heard.a ?? .nan, b: heard.b ?? .nan, now: heard.now)
                if Int.random(in: 0..<30, using: &random) == 0 { try windowed.restart() }
            }
            told += windowed.wait(until: 1_000_000)
            let kept = Self.inTime(stream, span, lateness: lateness)
            var expected: [Told] = []
            for (from, to) in Self.spans(span, kept) {
                for (series, all) in [
                    (Windowed.a, kept.map { ($0.time, $0.a) }), (Windowed.b, kept.map { ($0.time, $0.b) }),
                ] {
                    guard let figures = Self.expected(all, series, from: from, to: to) else { continue }
                    expected.append(Told(from: from, to: to, series: series, figures: figures))
                }
            }
            let late = told.reduce(0) { $0 + ($1.figures[.late] ?? 0) }
            try #require(told.count == expected.count, "round \(round); \(seed)")
            for (one, other) in zip(told, expected) {
                let isAlike = other.figures.allSatisfy { figure, value in
                    one.figures[figure].map { abs($0 - value) <= 1e-9 * max(1, abs(value)) } ?? false
                }
                try #require(
                    isAlike && one.from == other.from && one.to == other.to && one.series == other.series
                        && one.figures.keys.filter { $0 != .late }.count == other.figures.count,
                    "round \(round): \(one) for \(other); \(seed)")
            }
            #expect(late <= Double(2 * (stream.count - kept.count)))
        }
    }
}
