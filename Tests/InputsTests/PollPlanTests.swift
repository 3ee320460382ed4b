// Headgate
// SPDX-License-Identifier: Apache-2.0

import Modbus
import TestSupport
import Testing

@testable import DeviceMaps
@testable import Inputs

@Suite("Poll plan")
struct PollPlanTests {
    private func source(_ address: UInt16, _ type: RegisterType = .uint16, _ table: RegisterTable = .holding)
        -> RegisterSource
    {
        RegisterSource(
            table: table, address: address, layout: RegisterLayout(type: type), every: 1_000_000)
    }

    private func plan(_ sources: [RegisterSource], _ change: (inout ModbusLimits) -> Void = { _ in }) -> [ReadRequest] {
        var limits = ModbusLimits()
        change(&limits)
        return PollPlan.requests(for: sources.enumerated().map { ($0.offset, $0.element) }, limits, network)
    }

    /// A request costs so much that unused registers hardly count.
    private let network = RequestCost(.tcp(host: "", port: 502))

    @Test("200 neighbouring registers are two requests")
    func neighbours() {
        let requests = plan((0..<200).map { source($0) })
        #expect(requests.map(\.count) == [125, 75])
        #expect(requests.map(\.address) == [0, 125])
    }

    @Test("2,500 neighbouring coils are two requests")
    func coils() {
        let requests = plan((0..<2_500).map { source($0, .bool, .coil) })
        #expect(requests.map(\.count) == [2_000, 500])
    }

    @Test("gaps are read through as far as the map allows, and no further")
    func gaps() {
        #expect(plan([source(0), source(9)]) { $0.gap = 8 }.map(\.count) == [10])
        #expect(plan([source(0), source(10)]) { $0.gap = 8 }.map(\.count) == [1, 1])
        #expect(plan([source(0), source(2)]) { $0.gap = 0 }.map(\.count) == [1, 1])
    }

    @Test("the map's own limit holds, and no value is split")
    func limits() {
        let requests = plan((0..<10).map { source($0 * 4, .float64) }) { $0.registers = 10 }
        #expect(requests.allSatisfy { $0.count <= 10 })
        #expect(requests.map(\.count) == [8, 8, 8, 8, 8])
    }

    @Test("points that share registers are read once")
    func shared() {
        let requests = plan([source(5), source(5), source(4, .uint32)])
        #expect(requests == [ReadRequest(table: .holding, address: 4, count: 2, points: [2, 0, 1])])
    }

    @Test("tables are never mixed, and the last address can be read")
    func tables() {
        let requests = plan([source(0), source(1, .uint16, .input), source(65_535)])
        #expect(requests.count == 3)
        #expect(requests.contains { $0.address == 65_535 && $0.count == 1 })
    }

    @Test("on a slow line unused registers are read through only where a request more costs more")
    func slowLine() {
        let line = SerialLine(device: "", baud: 9_600, parity: .even, dataBits: 8, stopBits: 1)
        var limits = ModbusLimits()
        limits.gap = 125
        let cost = RequestCost(.serial(line))
        let worth = Int(cost.request / (2 * cost.byte))
        for gap in [worth - 1, worth + 1] {
            let sources = [source(0), source(UInt16(1 + gap))]
            let requests = PollPlan.requests(
                for: sources.enumerated().map { ($0.offset, $0.element) }, limits, cost)
            #expect(requests.count == (gap < worth ? 1 : 2))
        }
    }

    @Test("no way to divide the points among requests is cheaper", arguments: 0..<40)
    func optimal(seed: UInt64) {
        var random = SeededGenerator(fixed: seed)
        for _ in 0..<10 {
            let types: [RegisterType] = [.uint16, .float32, .float64]
            var sources = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                source(UInt16.random(in: 0...30, using: &random), types.randomElement(using: &random) ?? .uint16)
            }
            // One that reaches over others, as a text can.
            var text = RegisterLayout(type: .string)
            text.length = Int.random(in: 1...20, using: &random)
            sources[0].layout = text
            var limits = ModbusLimits()
            limits.registers = Int.random(in: 20...40, using: &random)
            limits.gap = Int.random(in: 0...12, using: &random)
            let cost = RequestCost(
                request: Int64.random(in: 0...40, using: &random), byte: Int64.random(in: 1...4, using: &random))
            let planned = PollPlan.requests(for: sources.enumerated().map { ($0.offset, $0.element) }, limits, cost)
            let price = planned.reduce(0) { $0 + cost.of($1.count, in: .holding) }
            #expect(price == cheapest(sources[...], [], limits, cost), "seed \(seed): \(planned)")
        }
    }

    /// Tries every way to divide the points, each request reading what lies between its first and its last.
    private func cheapest(
        _ rest: ArraySlice<RegisterSource>, _ requests: [[RegisterSource]], _ limits: ModbusLimits, _ cost: RequestCost
    ) -> Int64 {
        guard let source = rest.first else {
            return requests.reduce(0) { sum, points in
                price(points, limits, cost).map { sum > .max - $0 ? .max : sum + $0 } ?? .max
            }
        }
        let joined = requests.indices.map { place in
            var more = requests
            more[place].append(source)
            return more
        }
        return (joined + [requests + [[source]]]).map { cheapest(rest.dropFirst(), $0, limits, cost) }.min() ?? .max
    }

    /// Nil where the map's limits do not allow the request.
    private func price(_ points: [RegisterSource], _ limits: ModbusLimits, _ cost: RequestCost) -> Int64? {
        var reached: Int?
        for point in points.sorted(by: { $0.address < $1.address }) {
            if let reached, Int(point.address) - reached > limits.gap { return nil }
            reached = max(reached ?? 0, Int(point.address) + point.layout.registers)
        }
        let count = (reached ?? 0) - Int(points.map(\.address).min() ?? 0)
        return count <= limits.registers ? cost.of(count, in: .holding) : nil
    }

    @Test("whatever the map, every point is read once, whole and within the limits")
    func everyPoint() {
        var random = SeededGenerator()
        for _ in 0..<300 {
            let sources = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                source(
                    UInt16.random(in: 0...400, using: &random),
                    [RegisterType.uint16, .float32, .float64].randomElement(using: &random) ?? .uint16,
                    [RegisterTable.holding, .input].randomElement(using: &random) ?? .holding)
            }
            let most = Int.random(in: 4...125, using: &random)
            let gap = Int.random(in: 0...20, using: &random)
            let requests = plan(sources) {
                $0.registers = most
                $0.gap = gap
            }
            #expect(requests.flatMap(\.points).sorted() == Array(sources.indices), "HEADGATE_SEED=\(random.seed)")
            for request in requests {
                #expect(request.count <= most)
                for place in request.points {
                    let source = sources[place]
                    #expect(source.table == request.table && source.address >= request.address)
                    #expect(
                        Int(source.address) + source.layout.registers <= Int(request.address) + request.count)
                }
            }
        }
    }
}
