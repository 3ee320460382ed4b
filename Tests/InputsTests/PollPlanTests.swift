// Headgate
// SPDX-License-Identifier: Apache-2.0

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
        return PollPlan.requests(for: sources.enumerated().map { ($0.offset, $0.element) }, limits)
    }

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

    @Test("whatever the map, every point is read once, whole and within the limits")
    func everyPoint() {
        var random = SystemRandomNumberGenerator()
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
            #expect(requests.flatMap(\.points).sorted() == Array(sources.indices))
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
