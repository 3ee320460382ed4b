// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

/// Which of a point's readings are let go of as no news, and which are doubted.
public struct Filters: Sendable, Equatable {
    /// A value far from those around it (Hampel, 1974): by more than so many standard deviations, as the median of the
    /// last ones and of their distances from it tells them.
    public struct Spike: Sendable, Equatable {
        /// How many readings before it are looked at.
        public var window = 7
        /// Standard deviations.
        public var limit = 3.0
        /// The least distance that counts, in the point's unit: of a value that stands still nothing is usual.
        public var floor = 0.0
        /// Whether it is sent all the same, as doubtful.
        public var isKept = false

        public init() {}
    }

    public var deadband: Deadband?
    /// Microseconds after which a reading is sent, however little it is news.
    public var atLeast: Int64?
    /// Microseconds after one that was sent in which none is.
    public var atMost: Int64?
    /// How far a line between two readings that are sent may pass by those between them, in the point's unit.
    public var swing: Double?
    public var spike: Spike?
    /// Microseconds after which a number that has not moved at all is doubted.
    public var stuck: Int64?
    /// Whether one of the same time and value as the one before is let go of.
    public var dropsDuplicates = false

    public init() {}

    /// One key of a map or a configuration: what it is set to.
    public enum Change: Sendable, Equatable {
        case deadband(Deadband?)
        case atLeast(Int64?)
        case atMost(Int64?)
        case swing(Double?)
        case spike(Spike?)
        case stuck(Int64?)
        case duplicates(isDropped: Bool)

        /// Whether it means something for numbers only.
        public var isOfNumbers: Bool {
            switch self {
            case .swing, .spike, .stuck: true
            case .deadband, .atLeast, .atMost, .duplicates: false
            }
        }
    }

    public mutating func apply(_ change: Change) {
        switch change {
        case .deadband(let value): deadband = value
        case .atLeast(let value): atLeast = value
        case .atMost(let value): atMost = value
        case .swing(let value): swing = value
        case .spike(let value): spike = value
        case .stuck(let value): stuck = value
        case .duplicates(let isDropped): dropsDuplicates = isDropped
        }
    }

    /// The same of numbers in another unit.
    public func told(in report: Point.Report?) -> Filters {
        guard let scale = report.map({ abs($0.scaling.scale) }) else { return self }
        var filters = self
        if case .absolute(let amount) = deadband { filters.deadband = .absolute(amount * scale) }
        filters.swing = swing.map { $0 * scale }
        filters.spike?.floor *= scale
        return filters
    }

    /// What is said here and makes no sense together, and what to do about it.
    public var contradiction: (message: String, fix: String)? {
        if swing != nil, deadband != nil || atMost != nil {
            return (
                "`swinging_door` is not allowed beside `deadband` or `min_interval`: each of them selects the readings to drop",
                "remove one of them"
            )
        }
        if let atLeast, let atMost, atMost >= atLeast {
            return (
                "`min_interval` must be shorter than `max_interval`", "a reading is sent at least every `max_interval`"
            )
        }
        return nil
    }
}

/// How far a value may move before it is news.
public enum Deadband: Sendable, Equatable {
    /// In the point's own unit.
    case absolute(Double)
    /// A share of the last value sent: 0.01 is one percent.
    case relative(Double)
}
