// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What a point's readings are like while all is well: learnt from the first of them.
public struct Baseline: Sendable, Equatable {
    public private(set) var count = 0
    public private(set) var mean = 0.0
    /// The sum of squared distances from the mean (Welford).
    public private(set) var squares = 0.0

    public init() {}

    /// As it was kept; nil where it makes no sense.
    public init?(count: Int, mean: Double, squares: Double) {
        guard count >= 0, mean.isFinite, squares.isFinite, squares >= 0 else { return nil }
        (self.count, self.mean, self.squares) = (count, mean, squares)
    }

    mutating func add(_ number: Double) {
        count += 1
        let distance = number - mean
        mean += distance / Double(count)
        squares += distance * (number - mean)
    }

    public var deviation: Double { count > 1 ? (squares / Double(count - 1)).squareRoot() : 0 }
}
