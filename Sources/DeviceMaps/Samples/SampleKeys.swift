// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

/// `samples` of a point: what is told of a list of them.
enum SampleKeys {
    private static let bandFix = "write samples: { band: [10, 1000], rate: 6400 }"

    /// `rms`, or `{ band: [10, 1000], rate: 6400 }`.
    static func figure(_ value: YAMLValue) -> SampleFigure? {
        if value.scalar != nil { return value.word(SampleFigure.kinds).map { SampleFigure(kind: $0) } }
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        guard let band = mapping.require("band", fix: bandFix), let rate = mapping.require("rate", fix: bandFix) else {
            return nil
        }
        let frequencies = band.sequence()?.map { $0.number() } ?? []
        guard frequencies.count == 2, let low = frequencies[0], let high = frequencies[1], low >= 0, low < high else {
            band.problem(.invalidBand, "must be two frequencies in hertz, the lower first", fix: bandFix)
            return nil
        }
        guard let rate = self.rate(rate) else { return nil }
        if case .hertz(let hertz) = rate, high > hertz / 2 {
            band.problem(
                .invalidBand, "is above half the sampling rate, \((hertz / 2).plain) Hz",
                fix: "write a lower frequency: samples contain nothing above half their rate")
            return nil
        }
        return SampleFigure(kind: .band(low...high), rate: rate)
    }

    /// Samples a second, or `{ path: … }` where the message says it.
    private static func rate(_ value: YAMLValue) -> SampleFigure.Rate? {
        if let mapping = value.scalar == nil ? value.mapping() : nil {
            defer { mapping.finish() }
            return mapping.require("path", fix: "write rate: { path: fs }").flatMap(MQTTFormFile.path).map { .path($0) }
        }
        guard let rate = value.number(), rate > 0 else {
            value.problem(
                .invalidNumber, "must be the number of samples in a second",
                fix: "write rate: 6400, or rate: { path: fs }")
            return nil
        }
        return .hertz(rate)
    }
}
