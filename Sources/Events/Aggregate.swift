// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What the readings of a device amount to over a window of time.
///
/// The event's readings are its figures: of each point one for each of `figures`, in their order; those that there are
/// none of have no value.
public struct Aggregate: Hashable, Sendable {
    public var window: String
    /// The window is from `from` until before `to`.
    public var from: Timestamp
    public var to: Timestamp
    public var figures: [Figure]
    /// Whether it was not watched from its beginning, or not until its end.
    public var isPartial: Bool

    public init(window: String, from: Timestamp, to: Timestamp, figures: [Figure], isPartial: Bool) {
        self.window = window
        self.from = from
        self.to = to
        self.figures = figures
        self.isPartial = isPartial
    }

    /// How many points it is of.
    func points(of readings: Range<Int>) -> Int { figures.isEmpty ? 0 : readings.count / figures.count }
}

/// One of the things that can be said of a point's readings in a window.
public enum Figure: Hashable, Sendable {
    /// Good readings.
    case count
    /// Readings that were not good, and count for nothing else.
    case unusable
    /// Readings that came after earlier windows were closed, and are in none.
    case late
    case min
    case max
    case mean
    /// Each value by how long it stood.
    case timeMean
    case last
    /// What a counter has counted, over its rollover and its return to zero.
    case delta
    /// Standard deviation of a sample.
    case deviation
    /// Root of the mean of the squares.
    case rms
    /// The largest distance from zero.
    case peak
    /// Peak by root mean square: 1.4 of a sine, and the more the sharper the blows.
    case crest
    /// Fourth moment by the square of the second: 1.5 of a sine, 3 of noise, and the more the rarer the blows.
    case kurtosis
    /// In thousandths: 500 is the median.
    case quantile(Int)

    /// Whether it is in the unit of the point, and not a mere number.
    public var isOfUnit: Bool {
        switch self {
        case .count, .unusable, .late, .crest, .kurtosis: false
        case .min, .max, .mean, .timeMean, .last, .delta, .deviation, .rms, .peak, .quantile: true
        }
    }

    /// What is always told, and what can be asked for by name.
    public static let named: KeyValuePairs<String, Figure> = [
        "count": .count, "unusable": .unusable, "late": .late, "min": .min, "max": .max, "mean": .mean,
        "time_mean": .timeMean, "last": .last, "delta": .delta, "deviation": .deviation,
        "rms": .rms, "peak": .peak, "crest": .crest, "kurtosis": .kurtosis,
    ]

    /// The word that stands in events; `p50`, `p99.9` of quantiles.
    public var name: String {
        if case .quantile(let thousandths) = self {
            return "p\(thousandths / 10)" + (thousandths % 10 == 0 ? "" : ".\(thousandths % 10)")
        }
        return Self.named.first { $0.value == self }?.key ?? ""
    }

    public init?(name: String) {
        if let known = Self.named.first(where: { $0.key == name }) {
            self = known.value
            return
        }
        guard name.hasPrefix("p"), let percent = Double(name.dropFirst()), percent > 0, percent < 100,
            let thousandths = Int(exactly: (percent * 10).rounded())
        else { return nil }
        self = .quantile(thousandths)
        guard self.name == name else { return nil }
    }

    /// As it is stored: never change the meaning of one.
    public var code: UInt64 {
        switch self {
        case .count: 0
        case .unusable: 1
        case .late: 2
        case .min: 3
        case .max: 4
        case .mean: 5
        case .timeMean: 6
        case .last: 7
        case .delta: 8
        case .deviation: 9
        case .rms: 10
        case .peak: 11
        case .crest: 12
        case .kurtosis: 13
        case .quantile(let thousandths): 1_000 + UInt64(clamping: thousandths)
        }
    }

    public init?(code: UInt64) {
        if (1_001...1_999).contains(code) {
            self = .quantile(Int(code) - 1_000)
        } else {
            guard let known = Self.named.first(where: { $0.value.code == code }) else { return nil }
            self = known.value
        }
    }
}
