// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Compares the system's clock with one that does not jump. Pure: both come in as arguments.
public struct ClockWatch: Sendable {
    private var last: (wall: Timestamp, steady: Moment)?

    public init() {}

    /// How far the system's clock was set, ahead or (less than 0) back, since the last look; in microseconds.
    /// - Parameter steady: goes on while the machine sleeps.
    public mutating func jump(wall: Timestamp, steady: Moment) -> Int64 {
        defer { last = (wall, steady) }
        guard let last else { return 0 }
        return wall.microseconds(since: last.wall.advanced(byMicroseconds: steady.microseconds(since: last.steady)))
    }
}
