// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Glibc
import TestSupport
import Testing

@testable import Pipeline

@Suite("Changes beside a baseline")
struct ChangeDetectorTests {
    private static func normal(_ generator: inout SeededGenerator) -> Double {
        let (one, other) = (
            Double.random(in: Double.leastNonzeroMagnitude...1, using: &generator),
            Double.random(in: 0...1, using: &generator)
        )
        return (-2 * log(one)).squareRoot() * cos(2 * .pi * other)
    }

    /// A mean of 50 and a deviation of 2, known exactly.
    private static let exact = Baseline(count: 1_000, mean: 50, squares: 4 * 999)

    private static func detector(_ kind: Program.Input.Detector, per: Int) -> ChangeDetector {
        ChangeDetector(kind, learn: 1_000, per: per, baseline: exact ?? Baseline())
    }

    /// Readings until the limit is reached, on average.
    private static func length(
        _ kind: Program.Input.Detector, per: Int, shift: Double, rounds: Int,
        _ generator: inout SeededGenerator
    ) -> Double {
        let fresh = detector(kind, per: per)
        var readings = 0
        for _ in 0..<rounds {
            var one = fresh
            repeat { readings += 1 } while one.add(50 + 2 * (normal(&generator) + shift)) < 1
        }
        return Double(readings) / Double(rounds)
    }

    @Test(
        "while nothing changes the limit is reached as often as is said",
        arguments: [Program.Input.Detector.cusum, .ewma], [200, 1_000])
    func falseAlarms(kind: Program.Input.Detector, per: Int) {
        var generator = SeededGenerator()
        // Of 600 times, give or take 4 % each: a fifth is beyond chance.
        let length = Self.length(kind, per: per, shift: 0, rounds: 600, &generator)
        #expect(abs(length / Double(per) - 1) < 0.25, "\(length); HEADGATE_SEED=\(generator.seed)")
    }

    @Test("a baseline of 1,000 readings costs at most half of it", arguments: [Program.Input.Detector.cusum, .ewma])
    func learnt(kind: Program.Input.Detector) {
        var generator = SeededGenerator()
        var readings = 0
        for _ in 0..<300 {
            var detector = ChangeDetector(kind, learn: 1_000, per: 1_000)
            for _ in 0..<1_000 { _ = detector.add(50 + 2 * Self.normal(&generator)) }
            repeat { readings += 1 } while detector.add(50 + 2 * Self.normal(&generator)) < 1
        }
        #expect(readings > 300 * 500, "\(readings / 300); HEADGATE_SEED=\(generator.seed)")
    }

    @Test("a shift by one deviation is found soon", arguments: [Program.Input.Detector.cusum, .ewma], [1.0, -1.0])
    func shifts(kind: Program.Input.Detector, shift: Double) {
        var generator = SeededGenerator()
        let length = Self.length(kind, per: 1_000, shift: shift, rounds: 300, &generator)
        #expect(length > 5 && length < 20, "\(length); HEADGATE_SEED=\(generator.seed)")
    }

    @Test("nothing is said while the baseline is learnt, nor of what never moved", arguments: [0.0, 1.0])
    func learning(noise: Double) {
        var generator = SeededGenerator()
        var detector = ChangeDetector(.cusum, learn: 200, per: 1_000)
        for _ in 0..<200 { #expect(detector.add(50 + noise * Self.normal(&generator)).isNaN) }
        #expect(detector.add(60).isNaN == (noise == 0))
        #expect(detector.baseline.count == 200)
    }

    @Test("what lasts long is over as soon as what was short")
    func returns() {
        var detector = Self.detector(.cusum, per: 1_000)
        for _ in 0..<100_000 { _ = detector.add(100) }
        var readings = 0
        repeat { readings += 1 } while detector.add(50) > 0 && readings < 1_000
        #expect(readings < 50)
        #expect(detector.add(.infinity).isNaN)
    }
}
