// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import TestSupport
import Testing

@testable import Inputs

@Suite("Poll slot")
struct PollSlotTests {
    @Test("what is read quickly is what the layout says, whatever the registers hold", arguments: RegisterType.allCases)
    func sameAsLayout(type: RegisterType) {
        for order in ByteOrder.allCases {
            let source = RegisterSource(
                table: .holding, address: 2, layout: RegisterLayout(type: type, order: order), every: 1_000)
            let slot = PollSlot(
                ModbusDevice.Point(name: "p", series: SeriesNumber(raw: 1), source: source, lane: .normal))
            let isQuick = order == .ABCD && [.uint16, .int16, .uint32, .int32, .float32].contains(type)
            #expect((slot.form != .other) == isQuick)
            var random = SeededGenerator()
            for _ in 0..<200 {
                let words = (0..<8).map { _ in
                    [0, 0x7F80, 0xFFC0, UInt16.random(in: 0 ... .max, using: &random)].randomElement(using: &random)
                        ?? 0
                }
                words.withUnsafeBufferPointer { words in
                    var batch = Batch()
                    let told = source.decode(words.extracting(2..<(2 + source.span.count)), into: &batch)
                    guard let value = slot.value(words, at: 2) else { return }
                    #expect(told == (value, .good, .none), "HEADGATE_SEED=\(random.seed)")
                }
            }
        }
    }

    @Test("a point with values that mean none, with bits or a scale factor is left to its source")
    func others() {
        let layout = RegisterLayout(type: .uint16)
        let sources = [
            RegisterSource(table: .holding, address: 0, layout: layout, absent: [0x8000], every: 1),
            RegisterSource(table: .holding, address: 0, layout: RegisterLayout(type: .uint16, bits: 0...3), every: 1),
            RegisterSource(table: .holding, address: 0, layout: layout, every: 1, scaleFactor: 1),
            RegisterSource(table: .coil, address: 0, layout: layout, every: 1),
        ]
        for source in sources { #expect(PollSlot.Form(source) == .other) }
    }
}
