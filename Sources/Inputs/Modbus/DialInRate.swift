// Headgate
// SPDX-License-Identifier: Apache-2.0

/// New connections to a port that a device dials, from other addresses than the device's own: at most ten a second, after
/// the first twenty. The gateway closes the others at once, so a flood takes little of its time.
struct DialInRate {
    static let (burst, perSecond) = (20.0, 10.0)

    private var left = burst
    private var last: ContinuousClock.Instant?

    mutating func allowsOne(at now: ContinuousClock.Instant) -> Bool {
        if let last {
            let seconds = last.duration(to: now) / .seconds(1)
            left = min(Self.burst, left + max(0, seconds) * Self.perSecond)
        }
        last = now
        guard left >= 1 else { return false }
        left -= 1
        return true
    }
}
