// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What one point said at one moment.
///
/// Small and trivially copyable: names, units and tags hang off the series, not off the reading.
package struct Reading: Sendable, BitwiseCopyable, Equatable {
    package var series: SeriesNumber
    package var quality: Quality
    package var reason: Reason
    /// False once a stage has filtered it out; it leaves with the next `Batch.compact()`.
    package var isKept: Bool
    /// When the value was sampled.
    package var time: Timestamp
    package var value: Value

    package init(
        series: SeriesNumber, time: Timestamp, value: Value, quality: Quality = .good, reason: Reason = .none
    ) {
        self.series = series
        self.quality = quality
        self.reason = reason
        isKept = true
        self.time = time
        self.value = value
    }

    /// A reading that could not be made.
    package static func bad(_ series: SeriesNumber, time: Timestamp, _ reason: Reason) -> Reading {
        Reading(series: series, time: time, value: .none, quality: .bad, reason: reason)
    }

    /// Takes the value away and says why.
    package mutating func spoil(_ quality: Quality, _ reason: Reason) {
        value = .none
        self.quality = quality
        self.reason = reason
    }
}
