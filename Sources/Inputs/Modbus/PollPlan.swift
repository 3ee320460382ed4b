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

/// Registers to few requests. Pure.
public enum PollPlan {
    /// The fewest requests that read all of `sources` and keep to the map's limits: neighbours are read together,
    /// and through gaps as wide as the map allows. No point is split between two requests.
    public static func requests(for sources: [(place: Int, source: RegisterSource)], _ limits: ModbusLimits)
        -> [ReadRequest]
    {
        RegisterTable.allCases.flatMap { table in
            let most = table.holdsBits ? limits.bits : limits.registers
            let sorted = sources.filter { $0.source.table == table }.sorted {
                ($0.source.address, $0.source.layout.registers) < ($1.source.address, $1.source.layout.registers)
            }
            var requests: [ReadRequest] = []
            for (place, source) in sorted {
                let start = Int(source.address)
                let end = start + source.layout.registers
                if let last = requests.last {
                    let lastStart = Int(last.address)
                    let lastEnd = lastStart + last.count
                    if start - lastEnd <= limits.gap, max(end, lastEnd) - lastStart <= most {
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
