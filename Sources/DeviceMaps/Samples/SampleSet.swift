// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Spectrum

/// Samples that came together, and what is told of them.
struct SampleSet {
    /// More take too long to be looked at beside everything else.
    static let most = 65_536

    private let samples: [Double]
    private let mean: Double
    /// Means of squared distances from the mean, and of their squares.
    private let variance: Double
    private let fourth: Double
    private lazy var spectrum = Spectrum(samples)

    /// Nil where there are none.
    init?(_ samples: [Double]) {
        guard !samples.isEmpty else { return nil }
        self.samples = samples
        let count = Double(samples.count)
        mean = samples.reduce(0, +) / count
        var (squares, fourths) = (0.0, 0.0)
        for sample in samples {
            let square = (sample - mean) * (sample - mean)
            squares += square
            fourths += square * square
        }
        variance = squares / count
        fourth = fourths / count
    }

    private var rootMeanSquare: Double { (mean * mean + variance).squareRoot() }
    private var peak: Double { samples.reduce(0) { Swift.max($0, abs($1)) } }

    /// - Parameter rate: samples a second, where they are told.
    mutating func reading(of figure: SampleFigure, rate: Double?) -> (Value, Quality, Reason) {
        switch figure.kind {
        case .min: Self.good(samples.min())
        case .max: Self.good(samples.max())
        case .mean: Self.good(mean)
        case .rms: Self.good(rootMeanSquare)
        case .peak: Self.good(peak)
        // Of what does not move there is none.
        case .crest: Self.good(rootMeanSquare > 0 && rootMeanSquare.isFinite ? peak / rootMeanSquare : nil)
        case .kurtosis: Self.good(variance > 0 ? fourth / (variance * variance) : nil)
        case .deviation:
            Self.good(
                samples.count > 1
                    ? (variance * Double(samples.count) / Double(samples.count - 1)).squareRoot() : nil)
        case .band(let band): self.band(band, rate: rate)
        }
    }

    private static func good(_ number: Double?) -> (Value, Quality, Reason) {
        guard let number, number.isFinite else { return (.none, .absent, .none) }
        return (.number(number), .good, .none)
    }

    private mutating func band(_ band: ClosedRange<Double>, rate: Double?) -> (Value, Quality, Reason) {
        guard let rate, rate.isFinite, rate > 0 else { return (.none, .bad, .wrongType) }
        // What is above half the rate shows up elsewhere; and so few samples do not tell such a band from its neighbours.
        guard band.upperBound <= rate / 2 else { return (.none, .bad, .illegalValue) }
        guard (band.upperBound - band.lowerBound) * Double(samples.count) >= 2 * rate, let spectrum else {
            return (.none, .bad, .tooShort)
        }
        let spacing = spectrum.spacing * rate
        let lines = spectrum.meanSquares.enumerated().lazy.filter { line, _ in
            let frequency = Double(line) * spacing
            return frequency >= band.lowerBound
                && (frequency < band.upperBound || band.upperBound == rate / 2 && frequency == band.upperBound)
        }
        return Self.good(lines.reduce(0) { $0 + $1.element }.squareRoot())
    }
}
