// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import DeviceMaps

@Suite struct SampleSetTests {
    private static let rate = 6_400.0

    /// - Parameter tones: root mean square and frequency in hertz of each.
    private func samples(_ count: Int, _ tones: [(Double, Double)], mean: Double = 0) -> [Double] {
        (0..<count).map { place in
            tones.reduce(mean) { sum, tone in
                sum + tone.0 * 2.0.squareRoot() * sin(2 * Double.pi * tone.1 * Double(place) / Self.rate + 0.3)
            }
        }
    }

    private func told(_ samples: [Double], _ kind: SampleFigure.Kind, rate: Double? = Self.rate) -> (Double?, Reason) {
        var set = SampleSet(samples)
        guard let (value, quality, reason) = set?.reading(of: SampleFigure(kind: kind), rate: rate) else {
            return (nil, .none)
        }
        return (quality == .good ? value.asNumber : nil, reason)
    }

    private func isNear(_ found: Double?, _ wanted: Double, within share: Double = 1e-9) -> Bool {
        found.map { abs($0 - wanted) <= abs(wanted) * share } ?? false
    }

    @Test func figuresOfASineAreThoseOfTheBooks() {
        // Whole periods.
        let sine = (0..<6_400).map { 3 * sin(2 * Double.pi * Double($0) / 64) }
        #expect(isNear(told(sine, .rms).0, 3 / 2.0.squareRoot()))
        #expect(isNear(told(sine, .peak).0, 3))
        #expect(isNear(told(sine, .crest).0, 2.0.squareRoot()))
        #expect(isNear(told(sine, .kurtosis).0, 1.5))
        #expect(told(sine, .mean).0.map { abs($0) < 1e-12 } ?? false)
        #expect(isNear(told([1, 2, 3, 4], .deviation).0, (5.0 / 3).squareRoot()))
        #expect(told([1, -5, 3], .min).0 == -5 && told([1, -5, 3], .max).0 == 3 && told([1, -5, 3], .peak).0 == 5)
    }

    @Test(arguments: [1_024, 1_000, 997, 65_521, 512])
    func aBandHasTheTonesThatLieInIt(count: Int) {
        let both = samples(count, [(2, 400), (0.5, 1_600)], mean: 9.81)
        #expect(isNear(told(both, .band(300...500)).0, 2, within: 0.001))
        #expect(isNear(told(both, .band(1_500...1_700)).0, 0.5, within: 0.001))
        #expect(isNear(told(both, .band(10...3_200)).0, 4.25.squareRoot(), within: 0.001))
        #expect(told(both, .band(2_000...3_000)).0.map { $0 < 1e-3 } ?? false)
    }

    @Test func bandsSideBySideAddUpToTheWhole() {
        var random: UInt64 = 1
        let noise = (0..<4_096).map { _ -> Double in
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return Double(random % 2_001) / 1_000 - 1
        }
        let bands = stride(from: 0.0, to: 3_200, by: 400).compactMap { told(noise, .band($0...$0 + 400)).0 }
        #expect(bands.count == 8)
        let whole = told(noise, .band(0...3_200)).0 ?? 0
        #expect(isNear(bands.reduce(0) { $0 + $1 * $1 }.squareRoot(), whole, within: 1e-3))
        #expect(isNear(whole, told(noise, .deviation).0 ?? 0, within: 0.05))
    }

    @Test func whatSamplesCannotTellIsNotTold() {
        let few = samples(64, [(1, 400)])
        #expect(told(few, .band(390...410)) == (nil, .tooShort), "two hundred hertz are as fine as they are")
        #expect(told(samples(12, [(1, 400)]), .band(0...3_200)) == (nil, .tooShort))
        #expect(told(few, .band(100...3_300)) == (nil, .illegalValue), "half the rate is 3,200")
        #expect(told(few, .band(100...3_000), rate: nil) == (nil, .wrongType))
        #expect(told(few, .band(100...3_000), rate: -1) == (nil, .wrongType))
        #expect(told([5, 5, 5], .kurtosis) == (nil, .none) && told([0, 0], .crest) == (nil, .none))
        #expect(told([1e308, -1e308, 1e308], .crest) == (nil, .none))
        #expect(told([], .rms) == (nil, .none))
    }
}
