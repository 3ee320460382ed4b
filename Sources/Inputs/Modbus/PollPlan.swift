// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// One request and the points that its answer holds.
public struct ReadRequest: Equatable, Sendable {
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
        _ request: ReadRequest, _ sources: [(place: Int, source: RegisterSource)], _ limits: ModbusLimits
    ) -> [ReadRequest]? {
        for cut in [\PollCuts.tight, \PollCuts.alone] where !request.points.allSatisfy(self[keyPath: cut].contains) {
            self[keyPath: cut].formUnion(request.points)
            let parts = PollPlan.requests(for: sources, limits, self)
            if parts.count > 1 { return parts }
        }
        return nil
    }
}

/// Registers to few requests. Pure.
public enum PollPlan {
    /// The fewest requests that read all of `sources` and keep to the map's limits: neighbours are read together,
    /// and through gaps as wide as the map allows. No point is split between two requests.
    public static func requests(
        for sources: [(place: Int, source: RegisterSource)], _ limits: ModbusLimits, _ cuts: PollCuts = PollCuts()
    ) -> [ReadRequest] {
        RegisterTable.allCases.flatMap { table in
            let most = table.holdsBits ? limits.bits : limits.registers
            let sorted = sources.filter { $0.source.table == table }.sorted {
                ($0.source.address, $0.source.layout.registers) < ($1.source.address, $1.source.layout.registers)
            }
            var requests: [ReadRequest] = []
            for (place, source) in sorted {
                let start = Int(source.address)
                let end = start + source.layout.registers
                if let last = requests.last, !cuts.alone.contains(place),
                    !last.points.contains(where: cuts.alone.contains)
                {
                    let isTight = cuts.tight.contains(place) || last.points.contains(where: cuts.tight.contains)
                    let lastStart = Int(last.address)
                    let lastEnd = lastStart + last.count
                    if start - lastEnd <= (isTight ? 0 : limits.gap), max(end, lastEnd) - lastStart <= most {
                        requests[requests.count - 1].count = max(end, lastEnd) - lastStart
                        requests[requests.count - 1].points.append(place)
                        continue
                    }
                }
                requests.append(
                    ReadRequest(table: table, address: source.address, count: end - start, points: [place]))
            }
            return requests
        }
    }
}
