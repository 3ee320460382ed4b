// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import TestSupport
import Testing

@testable import DeviceMaps
@testable import Inputs

@Suite("Bisection")
struct BisectionTests {
    /// A device as it is: what its map says is another matter.
    private struct Device {
        var registers: Set<Int>
        var most = 125

        func refuses(_ request: ReadRequest) -> Bool {
            let span = Int(request.address)..<(Int(request.address) + request.count)
            return request.count > most || !registers.isSuperset(of: span)
        }
    }

    private func source(_ address: Int, _ type: RegisterType = .uint16) -> RegisterSource {
        RegisterSource(
            table: .holding, address: UInt16(address), layout: RegisterLayout(type: type), every: 1_000_000)
    }

    /// One round of polling, as `DevicePoller` does it.
    /// - Returns: the points that were read, and how many requests there were.
    private func round(
        _ sources: [RegisterSource], _ device: Device, _ cuts: inout PollCuts
    ) -> (read: Set<Int>, requests: Int) {
        let cost = RequestCost(request: 1_000, byte: 1)
        var open = PollPlan.requests(
            for: sources.enumerated().map { ($0.offset, $0.element) }, ModbusLimits(), cost, cuts)[...]
        var bisection: Bisection?
        var (read, count): (Set<Int>, Int) = ([], 0)
        while let request = open.popFirst() {
            count += 1
            if device.refuses(request) {
                var now = bisection ?? Bisection(of: request, sources)
                open = now.refuse(request, .illegalAddress) + open
                bisection = now
            } else {
                read.formUnion(request.points)
                bisection?.answer(request)
            }
            if let done = bisection, let finding = done.finding {
                cuts.learn(finding, of: done.whole)
                bisection = nil
            }
        }
        return (read, count)
    }

    @Test("a register that is not there costs its point alone, in the same round, and one request more afterwards")
    func bad() {
        let sources = (0..<60).map { source($0) }
        let device = Device(registers: Set(0..<60).subtracting([37]))
        var cuts = PollCuts()
        let first = round(sources, device, &cuts)
        #expect(first.read == Set(0..<60).subtracting([37]))
        #expect(first.requests <= 1 + 2 * 6)
        #expect(cuts == PollCuts(refused: [37: .illegalAddress]))
        let second = round(sources, device, &cuts)
        #expect(second.read == first.read && second.requests == 2)
    }

    @Test("gaps that cannot be read through are not, from then on")
    func gaps() {
        let sources = [source(0), source(4), source(8)]
        let device = Device(registers: [0, 4, 8])
        var cuts = PollCuts()
        #expect(round(sources, device, &cuts).read == [0, 1, 2])
        #expect(cuts == PollCuts(tight: [0, 1, 2]))
        #expect(round(sources, device, &cuts).requests == 3)
    }

    @Test("an answer that would be too large is asked for in parts that are not")
    func limit() {
        let sources = (0..<100).map { source($0) }
        let device = Device(registers: Set(0..<100), most: 60)
        var cuts = PollCuts()
        #expect(round(sources, device, &cuts).read.count == 100)
        #expect(cuts == PollCuts(registers: 50))
        #expect(round(sources, device, &cuts).requests == 2)
    }

    @Test(
        "whatever a device lacks, all that it has is read in the first round, and nothing is refused in the fourth",
        arguments: 0..<200)
    func anything(seed: UInt64) {
        var random = SeededGenerator(fixed: seed)
        let types: [RegisterType] = [.uint16, .float32, .float64]
        let sources = (0..<Int.random(in: 1...40, using: &random)).map { _ in
            source(Int.random(in: 0...150, using: &random), types.randomElement(using: &random) ?? .uint16)
        }
        var there = Set(0..<160)
        if Bool.random(using: &random) { there = Set(sources.flatMap(\.span)) }
        for _ in 0..<Int.random(in: 0...4, using: &random) { there.remove(Int.random(in: 0..<160, using: &random)) }
        let device = Device(registers: there, most: Int.random(in: 4...125, using: &random))
        let readable = Set(sources.indices.filter { there.isSuperset(of: sources[$0].span) })
        var cuts = PollCuts()
        for number in 1...4 {
            let (read, _) = round(sources, device, &cuts)
            #expect(read == readable, "seed \(seed), round \(number)")
        }
        #expect(Set(cuts.refused.keys) == Set(sources.indices).subtracting(readable), "seed \(seed)")
        let before = cuts
        let planned = PollPlan.requests(
            for: sources.enumerated().map { ($0.offset, $0.element) }, ModbusLimits(),
            RequestCost(request: 1_000, byte: 1), cuts)
        #expect(!planned.contains(where: device.refuses), "seed \(seed): \(before)")
    }
}
