// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// One request and the points that its answer holds.
public struct ReadRequest: Hashable, Sendable {
    public var table: RegisterTable
    public var address: UInt16
    /// Registers, or bits.
    public var count: Int
    /// As places in the list that was planned.
    public var points: [Int]

    /// How many bytes of data its answer carries.
    var answerBytes: Int { table.holdsBits ? (count + 7) / 8 : 2 * count }
}

/// What a device has shown that its map does not say. Points are places in the list that is planned.
struct PollCuts: Equatable {
    /// Points between which no gap is read through.
    var tight: Set<Int> = []
    /// Points that the device does not have: neither asked for nor read through.
    var refused: [Int: Reason] = [:]
    /// The most that one answer carries.
    var registers: Int?
    var bits: Int?

    mutating func learn(_ finding: Bisection.Finding, of request: ReadRequest) {
        switch finding {
        case .refused(let points): refused.merge(points) { $1 }
        case .gaps(let points): tight.formUnion(points)
        case .limit(let count) where request.table.holdsBits: bits = count
        case .limit(let count): registers = count
        }
    }
}

/// Registers to cheap requests. Pure.
enum PollPlan {
    /// The cheapest requests that read all of `sources` and keep to the map's limits: neighbours are read together, and
    /// unused registers between them are read through where that costs less than a request more, as far as the map allows.
    /// No point is split between two requests, and what the device does not have is not asked for.
    ///
    /// Optimal for the cost: points in the order of their addresses, and for each the cheapest way to have read all before
    /// it. Two requests that took turns in that order could swap points without becoming dearer.
    static func requests(
        for sources: [(place: Int, source: RegisterSource)], _ limits: ModbusLimits, _ cost: RequestCost,
        _ cuts: PollCuts = PollCuts()
    ) -> [ReadRequest] {
        RegisterTable.allCases.flatMap { table in
            let own = sources.filter { $0.source.table == table }
            let sorted = own.filter { cuts.refused[$0.place] == nil }.sorted {
                let (one, other) = ($0.source.span, $1.source.span)
                return (one.lowerBound, one.count) < (other.lowerBound, other.count)
            }
            let walls = own.filter { cuts.refused[$0.place] != nil }.map(\.source.span)
            return TablePlan(sorted, walls, table, limits, cost, cuts).cheapest()
        }
    }
}

/// The points of one table, in the order of their addresses.
private struct TablePlan {
    private let sources: [(place: Int, source: RegisterSource)]
    /// What is not there.
    private let walls: [Range<Int>]
    private let table: RegisterTable
    /// Nanoseconds that the data of one answer may take.
    private static let longestAnswer: Int64 = 500_000_000

    private let gap: Int
    private let most: Int
    private let cost: RequestCost
    private let tight: Set<Int>

    init(
        _ sources: [(place: Int, source: RegisterSource)], _ walls: [Range<Int>], _ table: RegisterTable,
        _ limits: ModbusLimits, _ cost: RequestCost, _ cuts: PollCuts
    ) {
        self.sources = sources
        self.walls = walls
        self.table = table
        gap = limits.gap
        // What a slow line takes long for, a poll of another unit would have to wait for.
        let quick = Int(clamping: Self.longestAnswer / max(cost.byte, 1))
        most =
            table.holdsBits
            ? min(limits.bits, cuts.bits ?? .max, max(16, quick * 8))
            : min(limits.registers, cuts.registers ?? .max, max(4, quick / 2))
        self.cost = cost
        tight = cuts.tight
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
        let start = sources[first].source.span.lowerBound
        var reached = sources[first].source.span.upperBound
        body(first + 1, reached - start)
        var isTight = tight.contains(sources[first].place)
        for next in sources.indices[(first + 1)...] {
            let (place, source) = sources[next]
            isTight = isTight || tight.contains(place)
            let span = source.span
            let unused = reached..<max(reached, span.lowerBound)
            reached = max(reached, span.upperBound)
            guard unused.count <= (isTight ? 0 : gap), !walls.contains(where: unused.overlaps), reached - start <= most
            else { return }
            body(next + 1, reached - start)
        }
    }

    private func request(_ range: Range<Int>) -> ReadRequest {
        let start = sources[range.lowerBound].source.span.lowerBound
        let end = sources[range].map(\.source.span.upperBound).max() ?? start
        return ReadRequest(
            table: table, address: UInt16(start), count: end - start, points: sources[range].map(\.place))
    }
}
