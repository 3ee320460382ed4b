// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next try: longer after each failure, and anything up to that, so that a thousand
/// gateways that lose the same broker do not all come back at once ("full jitter").
public struct Backoff: Sendable {
    private let base: Duration
    private let cap: Duration
    private var failures = 0

    public init(base: Duration, cap: Duration) {
        self.base = base
        self.cap = cap
    }

    public mutating func reset() {
        failures = 0
    }

    /// The wait after one more failure.
    /// - Parameter fraction: where in the span it falls, 0 to 1.
    public mutating func next(fraction: Double = Double.random(in: 0...1)) -> Duration {
        let span = min(base * (1 << min(failures, 20)), cap)
        failures += 1
        return span * fraction
    }
}
