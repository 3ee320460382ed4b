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
    /// The sums of squared distances from the mean, and of their third and fourth powers, each reading and each window added
    /// without a sum that grows (Pébay: "Formulas for Robust, One-Pass Parallel Computation of Covariances and
    /// Arbitrary-Order Statistical Moments", 2008).
    var squares = 0.0
    var cubes = 0.0
    var fourths = 0.0
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
        let (all, before) = (Double(count), Double(count - 1))
        let distance = number - mean
        let step = distance / all
        let product = distance * step * before
        mean += step
        fourths += product * step * step * (all * all - 3 * all + 3) + 6 * step * step * squares - 4 * step * cubes
        cubes += product * step * (all - 2) - 3 * step * squares
        squares += product
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
        let all = own + other
        let distance = later.mean - mean
        let step = distance / all
        mean += step * other
        fourths +=
            later.fourths + distance * step * step * step * own * other * (own * own - own * other + other * other)
            + 6 * step * step * (own * own * later.squares + other * other * squares)
            + 4 * step * (own * later.cubes - other * cubes)
        cubes +=
            later.cubes + distance * step * step * own * other * (own - other)
            + 3 * step * (own * later.squares - other * squares)
        squares += later.squares + distance * step * own * other
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
        case .min: read(least)
        case .max: read(greatest)
        case .mean: number(mean)
        case .timeMean: covered > 0 ? .number(integral / covered) : .none
        case .last: count > 0 ? last : .none
        case .delta: delta.map(Value.number) ?? .none
        case .deviation: count > 1 ? .number((squares / Double(count - 1)).squareRoot()) : .none
        case .rms: number(rootMeanSquare)
        case .peak: read(peak)
        case .crest: rootMeanSquare > 0 ? .number(peak / rootMeanSquare) : .none
        // Of what does not move there is none.
        case .kurtosis: squares > 0 ? .number(Double(count) * fourths / (squares * squares)) : .none
        case .quantile(let thousandths): quantile(Double(thousandths) / 1_000)
        }
    }

    private var rootMeanSquare: Double {
        count > 0 ? (mean * mean + squares / Double(count)).squareRoot() : 0
    }

    private var peak: Double { max(abs(least), abs(greatest)) }

    /// A number that was read: of no more digits than it had then.
    private func read(_ number: Double) -> Value {
        if count > 0, case .single = last, let single = Float(exactly: number) { return .single(single) }
        return self.number(number)
    }

    private func number(_ number: Double) -> Value { count > 0 ? .number(number) : .none }

    private func quantile(_ share: Double) -> Value {
        guard let number = sketch?.quantile(share) else { return .none }
        return .number(min(max(number, least), greatest))
    }
}
