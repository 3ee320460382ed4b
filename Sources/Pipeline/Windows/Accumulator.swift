// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What a point's readings of a pane amount to.
struct Accumulator: Equatable {
    var count = 0
    var unusable = 0
    var least = Double.infinity
    var greatest = -Double.infinity
    var mean = 0.0
    /// The sum of squared distances from the mean (Welford).
    var squares = 0.0
    var last = Value.none
    var delta: Double?
    /// Of each value by how long it stood, in microseconds.
    var integral = 0.0
    var covered = 0.0
    /// Nil where nobody asks for quantiles.
    var sketch: QuantileSketch?

    init(hasSketch: Bool) {
        if hasSketch { sketch = QuantileSketch() }
    }

    mutating func add(_ number: Double, _ value: Value) {
        count += 1
        least = min(least, number)
        greatest = max(greatest, number)
        let distance = number - mean
        mean += distance / Double(count)
        squares += distance * (number - mean)
        last = value
        sketch?.add(number)
    }

    mutating func stood(_ value: Double, for microseconds: Int64) {
        guard microseconds > 0 else { return }
        integral += value * Double(microseconds)
        covered += Double(microseconds)
    }

    mutating func counted(_ increment: Double) { delta = (delta ?? 0) + increment }

    /// - Parameter later: what came after this.
    mutating func merge(_ later: Accumulator) {
        unusable += later.unusable
        integral += later.integral
        covered += later.covered
        if let more = later.delta { counted(more) }
        guard later.count > 0 else { return }
        let (own, other) = (Double(count), Double(later.count))
        let distance = later.mean - mean
        mean += distance * other / (own + other)
        squares += later.squares + distance * distance * own * other / (own + other)
        count += later.count
        least = min(least, later.least)
        greatest = max(greatest, later.greatest)
        last = later.last
        if let sketch = later.sketch { self.sketch?.merge(sketch) }
    }

    func value(of figure: Figure, late: Int) -> Value {
        switch figure {
        case .count: .integer(Int64(count))
        case .unusable: unusable > 0 ? .integer(Int64(unusable)) : .none
        case .late: late > 0 ? .integer(Int64(late)) : .none
        case .min: number(least)
        case .max: number(greatest)
        case .mean: number(mean)
        case .timeMean: covered > 0 ? .number(integral / covered) : .none
        case .last: count > 0 ? last : .none
        case .delta: delta.map(Value.number) ?? .none
        case .deviation: count > 1 ? .number((squares / Double(count - 1)).squareRoot()) : .none
        case .quantile(let thousandths): quantile(Double(thousandths) / 1_000)
        }
    }

    private func number(_ number: Double) -> Value { count > 0 ? .number(number) : .none }

    private func quantile(_ share: Double) -> Value {
        guard let number = sketch?.quantile(share) else { return .none }
        return .number(min(max(number, least), greatest))
    }
}
