// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// One request and the points that its answer holds.
public struct ReadRequest: Hashable, Sendable {
    public var table: RegisterTable
    public var address: UInt16
    /// Registers, or bits.
    public var count: Int
    /// As places in the list that was planned.
    public var points: [Int]
}

/// What a device has shown that it does not read together.
public struct PollCuts: Sendable {
    /// Points between which no gap is read through, as places in the list that is planned.
    var tight: Set<Int> = []
    /// Points that are read by themselves.
    var alone: Set<Int> = []

    public init() {}

    /// Cuts a request apart: first at the gaps that it reads through, then point by point, so that a register which is
    /// not there spoils no other.
    /// - Parameter sources: those of the request.
    /// - Returns: what is to be asked instead; nil where it is one point already.
    mutating func split(
        _ request: ReadRequest, _ sources: [(place: Int, source: RegisterSource)], _ limits: ModbusLimits,
        _ cost: RequestCost
    ) -> [ReadRequest]? {
        for cut in [\PollCuts.tight, \PollCuts.alone] where !request.points.allSatisfy(self[keyPath: cut].contains) {
            self[keyPath: cut].formUnion(request.points)
            let parts = PollPlan.requests(for: sources, limits, cost, self)
            if parts.count > 1 { return parts }
        }
        return nil
    }
}

/// Registers to cheap requests. Pure.
public enum PollPlan {
    /// The cheapest requests that read all of `sources` and keep to the map's limits: neighbours are read together, and
    /// unused registers between them are read through where that costs less than a request more, as far as the map allows.
    /// No point is split between two requests.
    ///
    /// Optimal for the cost: points in the order of their addresses, and for each the cheapest way to have read all before
    /// it. Two requests that took turns in that order could swap points without becoming dearer.
    public static func requests(
        for sources: [(place: Int, source: RegisterSource)], _ limits: ModbusLimits, _ cost: RequestCost,
        _ cuts: PollCuts = PollCuts()
    ) -> [ReadRequest] {
        RegisterTable.allCases.flatMap { table in
            let sorted = sources.filter { $0.source.table == table }.sorted {
                ($0.source.address, $0.source.layout.registers) < ($1.source.address, $1.source.layout.registers)
            }
            return TablePlan(sorted, table, limits, cost, cuts).cheapest()
        }
    }
}

/// The points of one table, in the order of their addresses.
private struct TablePlan {
    private let sources: [(place: Int, source: RegisterSource)]
    private let table: RegisterTable
    private let limits: ModbusLimits
    private let cost: RequestCost
    private let cuts: PollCuts

    init(
        _ sources: [(place: Int, source: RegisterSource)], _ table: RegisterTable, _ limits: ModbusLimits,
        _ cost: RequestCost, _ cuts: PollCuts
    ) {
        self.sources = sources
        self.table = table
        self.limits = limits
        self.cost = cost
        self.cuts = cuts
    }

    func cheapest() -> [ReadRequest] {
        // By how many points are read: what that costs at least, and where its last request begins.
        var best = [(cost: Int64, first: Int)](repeating: (.max, 0), count: sources.count + 1)
        best[0].cost = 0
        for first in sources.indices {
            forEachRequest(from: first) { end, count in
                let sum = best[first].cost + cost.of(count, in: table)
                if sum <= best[end].cost { best[end] = (sum, first) }
            }
        }
        var requests: [ReadRequest] = []
        var end = sources.count
        while end > 0 {
            requests.append(request(best[end].first..<end))
            end = best[end].first
        }
        return requests.reversed()
    }

    /// Calls back with each request that begins with a point: the place after its last, and how many registers it asks for.
    private func forEachRequest(from first: Int, _ body: (_ end: Int, _ count: Int) -> Void) {
        let start = Int(sources[first].source.address)
        var reached = start + sources[first].source.layout.registers
        body(first + 1, reached - start)
        let most = table.holdsBits ? limits.bits : limits.registers
        var isTight = cuts.tight.contains(sources[first].place)
        guard !cuts.alone.contains(sources[first].place) else { return }
        for next in sources.indices[(first + 1)...] {
            let (place, source) = sources[next]
            isTight = isTight || cuts.tight.contains(place)
            let gap = Int(source.address) - reached
            reached = max(reached, Int(source.address) + source.layout.registers)
            guard !cuts.alone.contains(place), gap <= (isTight ? 0 : limits.gap), reached - start <= most else {
                return
            }
            body(next + 1, reached - start)
        }
    }

    private func request(_ range: Range<Int>) -> ReadRequest {
        let start = sources[range.lowerBound].source.address
        let end = sources[range].map { Int($0.source.address) + $0.source.layout.registers }.max() ?? Int(start)
        return ReadRequest(
            table: table, address: start, count: end - Int(start), points: sources[range].map(\.place))
    }
}
