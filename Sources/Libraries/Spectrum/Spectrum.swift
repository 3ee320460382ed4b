// Headgate
// SPDX-License-Identifier: Apache-2.0

import CKissFFT
import Glibc

/// How what a signal carries is spread over frequencies: mean squares, one a line, whose sum is the mean square of the signal
/// without its mean.
///
/// By the fast Fourier transform of KISS FFT, in single precision, under a Hann window: a tone lies in the four lines around
/// it, and what it has elsewhere is below a millionth.
public struct Spectrum: Sendable {
    /// Of line k, at k · `spacing`.
    public let meanSquares: [Double]
    /// Between two lines, as a part of the rate of the samples.
    public let spacing: Double

    /// Nil for fewer than sixteen samples.
    public init?(_ samples: [Double]) {
        guard samples.count >= 16 else { return nil }
        // Lengths of small factors only: one with a large prime would take a second. What is added is zeros, under which the
        // sum of squares stays what it is.
        let half = kiss_fft_next_fast_size(Int32((samples.count + 1) / 2))
        let length = Int(half) * 2
        guard let plan = kiss_fftr_alloc(Int32(length), 0, nil, nil) else { return nil }
        defer { free(UnsafeMutableRawPointer(plan)) }
        let mean = samples.reduce(0, +) / Double(samples.count)
        var windowed = [Float](repeating: 0, count: length)
        var weight = 0.0
        for (place, sample) in samples.enumerated() {
            let hann = 0.5 - 0.5 * cos(2 * Double.pi * (Double(place) + 0.5) / Double(samples.count))
            windowed[place] = Float((sample - mean) * hann)
            weight += hann * hann
        }
        var lines = [kiss_fft_cpx](repeating: kiss_fft_cpx(r: 0, i: 0), count: length / 2 + 1)
        kiss_fftr(plan, windowed, &lines)
        // Parseval; each line but the first and the last stands for its mirror image too.
        let scale = 1 / (Double(length) * weight)
        meanSquares = lines.enumerated().map { place, line in
            let square = Double(line.r) * Double(line.r) + Double(line.i) * Double(line.i)
            return square * scale * (place == 0 || place == length / 2 ? 1 : 2)
        }
        spacing = 1 / Double(length)
    }
}
