// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Compares the system's clock with one that does not jump. Pure: both come in as arguments.
public struct ClockWatch: Sendable {
    private var last: (wall: Timestamp, steady: ContinuousClock.Instant)?

    public init() {}

    /// How far the system's clock was set, ahead or (less than 0) back, since the last look; in microseconds.
    /// - Parameter steady: goes on while the machine sleeps.
    public mutating func jump(wall: Timestamp, steady: ContinuousClock.Instant) -> Int64 {
        defer { last = (wall, steady) }
        guard let last else { return 0 }
        let passed = Int64(clamping: Int((last.steady.duration(to: steady) / .microseconds(1)).rounded()))
        return wall.microseconds(since: last.wall.advanced(byMicroseconds: passed))
    }
}
