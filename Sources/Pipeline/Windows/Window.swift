// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Over what time readings are taken together, and what is told of them.
public struct Window: Sendable, Equatable {
    public enum Span: Sendable, Equatable {
        /// Of one size, in microseconds, a new one each `every`: side by side where the two are equal, else overlapping.
        /// Counted from 1970, so that those of an hour begin with the hours of UTC.
        case fixed(size: Int64, every: Int64)
        /// As long as no pause is longer than so many microseconds.
        case session(gap: Int64)
    }

    public var name: String
    public var span: Span
    /// So much later than the newest of its device a reading may come, in microseconds.
    public var lateness: Int64
    /// Beside how many there were, how many were unusable and how many late.
    public var figures: [Figure]

    static let alwaysTold: [Figure] = [.count, .unusable, .late]

    public init(name: String, span: Span, lateness: Int64, figures: [Figure]) {
        self.name = name
        self.span = span
        self.lateness = lateness
        self.figures = figures
    }

    /// All that its events give of a point, in their order.
    public var told: [Figure] { Self.alwaysTold + figures.filter { !Self.alwaysTold.contains($0) } }

    public var wantsQuantiles: Bool {
        figures.contains { if case .quantile = $0 { true } else { false } }
    }

    /// How many panes a window is of: readings are taken together once, in panes side by side.
    public var panes: Int {
        if case .fixed(let size, let every) = span { return Int(clamping: size / max(1, every)) }
        return 1
    }
}
