// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A moment: microseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Hashable, Comparable, Sendable, BitwiseCopyable {
    public var microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func < (one: Timestamp, other: Timestamp) -> Bool {
        one.microseconds < other.microseconds
    }

    /// What the system's clock says. It may jump.
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    /// Whether a clock that says so was never set: before this was written none was right.
    public var isUnset: Bool { microseconds < 1_735_689_600_000_000 }  // 2025-01-01

    /// 2001-01-01: a device that was never told the time counts from 1970, or from the year its clock begins.
    public static let earliestOfDevices = Timestamp(microseconds: 978_307_200_000_000)

    /// The moment `microseconds` after this one; stays at the ends of what can be told instead of trapping.
    public func advanced(byMicroseconds microseconds: Int64) -> Timestamp {
        let (sum, overflow) = self.microseconds.addingReportingOverflow(microseconds)
        return Timestamp(microseconds: overflow ? (microseconds > 0 ? .max : .min) : sum)
    }

    /// Microseconds from `earlier` to this; at the ends of what can be told, the end.
    public func microseconds(since earlier: Timestamp) -> Int64 {
        let (difference, overflow) = microseconds.subtractingReportingOverflow(earlier.microseconds)
        return overflow ? (microseconds > earlier.microseconds ? .max : .min) : difference
    }
}
