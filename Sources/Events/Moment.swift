// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A moment of the clock that is never set: nanoseconds since the machine started, its sleep included.
///
/// What `ContinuousClock.Instant` is, on the same clock. That one's layout is known to the standard library alone, so
/// that whatever holds one is copied by a call through a table; a poll copies hundreds.
public struct Moment: Hashable, Comparable, Sendable, BitwiseCopyable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static var now: Moment {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    public static func < (one: Moment, other: Moment) -> Bool {
        one.nanoseconds < other.nanoseconds
    }

    /// Stays at the ends of what can be told instead of trapping: 292 years on.
    public static func + (moment: Moment, duration: Duration) -> Moment {
        moment.advanced(byNanoseconds: duration.nanoseconds)
    }

    public static func += (moment: inout Moment, duration: Duration) {
        moment = moment + duration
    }

    public func advanced(byNanoseconds nanoseconds: Int64) -> Moment {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return Moment(nanoseconds: overflow ? (nanoseconds > 0 ? .max : .min) : sum)
    }

    public func advanced(byMicroseconds microseconds: Int64) -> Moment {
        let (nanoseconds, overflow) = microseconds.multipliedReportingOverflow(by: 1_000)
        return advanced(byNanoseconds: overflow ? (microseconds > 0 ? .max : .min) : nanoseconds)
    }

    /// Nanoseconds from `earlier` to this; at the ends of what can be told, the end.
    public func nanoseconds(since earlier: Moment) -> Int64 {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return overflow ? (nanoseconds > earlier.nanoseconds ? .max : .min) : difference
    }

    public func microseconds(since earlier: Moment) -> Int64 {
        nanoseconds(since: earlier) / 1_000
    }

    public func duration(to later: Moment) -> Duration {
        .nanoseconds(later.nanoseconds(since: self))
    }
}

extension ContinuousClock.Instant {
    /// For those who wait by that clock.
    public init(_ moment: Moment) {
        self = .now + Moment.now.duration(to: moment)
    }
}

extension Duration {
    /// As many as there is room for.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isBeyond) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || isBeyond ? (seconds > 0 ? .max : .min) : sum
    }

    public var microseconds: Int64 { nanoseconds / 1_000 }
}
