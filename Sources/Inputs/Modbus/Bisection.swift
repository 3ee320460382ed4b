// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Finds out what of a request a device refuses, by asking for parts of it. Pure.
///
/// Parts are what lies between the gaps that it reads through, then halves. What is refused by itself is not there; where
/// nothing is, the gaps were it, or the request asked for more than one answer carries.
struct Bisection {
    /// What a refusal was about.
    enum Finding: Equatable {
        /// Points that the device does not have.
        case refused([Int: Reason])
        /// Points between which no unused registers can be read.
        case gaps([Int])
        /// The most registers, or bits, that were answered at once.
        case limit(Int)
    }

    let whole: ReadRequest
    private let sources: [RegisterSource]
    private var open = 1
    private var refused: [Int: Reason] = [:]
    private var largest = 0
    /// Whether something without gaps was refused that is not one point.
    private var isOfSize = false

    /// - Parameter sources: by place.
    init(of request: ReadRequest, _ sources: [RegisterSource]) {
        whole = request
        self.sources = sources
    }

    /// A request was refused, the whole one at first.
    /// - Returns: what to ask for instead; empty where it is a point that is not there.
    mutating func refuse(_ request: ReadRequest, _ reason: Reason) -> [ReadRequest] {
        let parts = parts(of: request)
        open += parts.count - 1
        if parts.isEmpty { for place in request.points { refused[place] = reason } }
        return parts
    }

    mutating func answer(_ request: ReadRequest) {
        open -= 1
        largest = max(largest, request.count)
    }

    /// Nil while there is more to ask.
    var finding: Finding? {
        if open > 0 { return nil }
        if !refused.isEmpty { return .refused(refused) }
        return isOfSize ? .limit(largest) : .gaps(whole.points)
    }

    private mutating func parts(of request: ReadRequest) -> [ReadRequest] {
        if request.points.count < 2 { return [] }
        let runs = runs(of: request)
        if runs.count > 1 { return runs }
        isOfSize = true
        let middle = request.points.count / 2
        return [request.points[..<middle], request.points[middle...]].map { self.request($0) }
    }

    /// What lies between the gaps of a request.
    private func runs(of request: ReadRequest) -> [ReadRequest] {
        var runs: [[Int]] = []
        var reached = Int.min
        for place in request.points {
            let span = sources[place].span
            if span.lowerBound > reached { runs.append([]) }
            runs[runs.count - 1].append(place)
            reached = max(reached, span.upperBound)
        }
        return runs.map { self.request($0[...]) }
    }

    private func request(_ points: ArraySlice<Int>) -> ReadRequest {
        let start = points.map { sources[$0].span.lowerBound }.min() ?? 0
        let end = points.map { sources[$0].span.upperBound }.max() ?? start
        return ReadRequest(table: whole.table, address: UInt16(start), count: end - start, points: Array(points))
    }
}
