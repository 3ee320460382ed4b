// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What one point said at one moment.
///
/// Small and trivially copyable: names, units and tags hang off the series, not off the reading.
public struct Reading: Sendable, BitwiseCopyable, Equatable {
    public var series: SeriesNumber
    public var quality: Quality
    public var reason: Reason
    /// False once a stage has filtered it out; it leaves with the next `Batch.compact()`.
    public var isKept: Bool
    /// When the value was sampled.
    public var time: Timestamp
    public var value: Value

    public init(
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
    public static func bad(_ series: SeriesNumber, time: Timestamp, _ reason: Reason) -> Reading {
        Reading(series: series, time: time, value: .none, quality: .bad, reason: reason)
    }

    /// Whether the gateway made it because the device did not answer, or is gone.
    public var isOfSilence: Bool {
        guard quality == .bad else { return false }
        switch reason {
        case .timeout, .disconnected, .garbledAnswer, .linkSetup, .gatewayPath, .gatewayTarget, .offline, .silent,
            .death, .otherUnit, .unknownHost, .connectionRefused, .connectTimeout, .hostUnreachable, .notConnected,
            .noSuchDevice, .permissionDenied, .noFileDescriptors:
            return true
        default: return false
        }
    }

    /// Takes the value away and says why.
    public mutating func spoil(_ quality: Quality, _ reason: Reason) {
        value = .none
        self.quality = quality
        self.reason = reason
    }
}
