// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import TestSupport
import Testing

@Suite("Register layout")
struct RegisterLayoutTests {
    private func decode(
        _ layout: RegisterLayout, _ words: [UInt16], absent: [UInt64] = []
    ) -> (value: Value, quality: Quality, reason: Reason, text: String?) {
        var batch = Batch()
        let (value, quality, reason) = words.withUnsafeBufferPointer { layout.decode($0, absent: absent, into: &batch) }
        let text: String? = if case .text(let index) = value { batch.text(at: index) } else { nil }
        return (value, quality, reason, text)
    }

    // 0x12345678 as a value; the letters are its bytes from the most significant on, as they are sent.
    @Test(
        "32-bit values in all four orders",
        arguments: [
            (ByteOrder.ABCD, [UInt16(0x1234), 0x5678]), (.CDAB, [0x5678, 0x1234]), (.BADC, [0x3412, 0x7856]),
            (.DCBA, [0x7856, 0x3412]),
        ])
    func orders32(order: ByteOrder, words: [UInt16]) {
        #expect(decode(RegisterLayout(type: .uint32, order: order), words).value == .integer(0x1234_5678))
        let float = Float(bitPattern: 0x1234_5678)
        #expect(decode(RegisterLayout(type: .float32, order: order), words).value == .single(float))
        #expect(RegisterLayout(type: .uint32, order: order).registers(of: 0x1234_5678) == words)
    }

    @Test(
        "64-bit values continue the pattern of the letters",
        arguments: [
            (ByteOrder.ABCD, [UInt16(0x0102), 0x0304, 0x0506, 0x0708]),
            (.CDAB, [0x0708, 0x0506, 0x0304, 0x0102]),
            (.BADC, [0x0201, 0x0403, 0x0605, 0x0807]),
            (.DCBA, [0x0807, 0x0605, 0x0403, 0x0201]),
        ])
    func orders64(order: ByteOrder, words: [UInt16]) {
        #expect(decode(RegisterLayout(type: .int64, order: order), words).value == .integer(0x0102_0304_0506_0708))
        let double = Double(bitPattern: 0x0102_0304_0506_0708)
        #expect(decode(RegisterLayout(type: .float64, order: order), words).value == .number(double))
    }

    @Test(
        "16-bit values know only the order of their two bytes",
        arguments: [(ByteOrder.ABCD, UInt16(0x1234)), (.CDAB, 0x1234), (.BADC, 0x3412), (.DCBA, 0x3412)])
    func orders16(order: ByteOrder, word: UInt16) {
        #expect(decode(RegisterLayout(type: .uint16, order: order), [word]).value == .integer(0x1234))
    }

    @Test("signs and the largest values of every integer type")
    func signs() {
        #expect(decode(.init(type: .int16), [0x8000]).value == .integer(-32_768))
        #expect(decode(.init(type: .uint16), [0xFFFF]).value == .integer(65_535))
        #expect(decode(.init(type: .int32), [0xFFFF, 0xFFFE]).value == .integer(-2))
        #expect(decode(.init(type: .uint32), [0xFFFF, 0xFFFE]).value == .integer(4_294_967_294))
        #expect(decode(.init(type: .int64), [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]).value == .integer(-1))
        #expect(decode(.init(type: .uint64), [0, 0, 0, 7]).value == .integer(7))
        #expect(decode(.init(type: .uint64), [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]).value == .unsigned(.max))
    }

    @Test("binary-coded decimals, and digits that none has")
    func binaryCodedDecimal() {
        #expect(decode(.init(type: .bcd16), [0x1234]).value == .integer(1_234))
        #expect(decode(.init(type: .bcd32), [0x1234, 0x5678]).value == .integer(12_345_678))
        let wrong = decode(.init(type: .bcd16), [0x12A4])
        #expect(wrong.quality == .bad && wrong.reason == .notDecimal && wrong.value == .none)
    }

    @Test("one bit is a yes or no, several are a number")
    func bits() {
        #expect(decode(.init(type: .uint16, bits: 3...3), [0x0008]).value == .boolean(true))
        #expect(decode(.init(type: .uint16, bits: 3...3), [0xFFF7]).value == .boolean(false))
        #expect(decode(.init(type: .uint16, bits: 4...7), [0x00A0]).value == .integer(10))
        #expect(decode(.init(type: .uint32, order: .CDAB, bits: 16...16), [0x0000, 0x0001]).value == .boolean(true))
    }

    @Test("strings lie the upper byte first, whatever the order, and end at a zero")
    func strings() {
        let words: [UInt16] = [0x4142, 0x4320, 0x0058]
        #expect(decode(.init(type: .string, order: .DCBA, length: 3), words).text == "ABC")
    }

    @Test(
        "a text of one character a register is bad where the map says two, and read where it says one",
        arguments: [TextLayout.Order.high, .low])
    func oneCharacterInEach(order: TextLayout.Order) {
        let words = "ABC".utf8.map { order == .high ? UInt16($0) << 8 : UInt16($0) } + [0]
        var layout = RegisterLayout(type: .string, length: 4)
        #expect(decode(layout, words).reason == .notText)
        var text = TextLayout()
        text.order = .swapped
        layout.text = text
        #expect(decode(layout, words).reason == .notText)
        text.order = order
        layout.text = text
        #expect(decode(layout, words).text == "ABC")
        // One character alone fits both.
        layout.text = nil
        #expect(decode(layout, [0x4100, 0, 0, 0]).text == "A")
    }

    @Test(
        "a text is laid out as it is read, where the registers can hold it",
        arguments: [TextLayout.Order.asSent, .swapped, .high, .low])
    func textRoundTrip(order: TextLayout.Order) throws {
        var text = TextLayout()
        (text.order, text.encoding) = (order, .latin1)
        let words = try #require(text.registers(of: "Müll", count: 4))
        #expect(words.count == 4 && text.text(words) == "Müll")
        #expect(text.registers(of: "123456789", count: 4) == nil, "too long")
        #expect(text.registers(of: "ab ", count: 4) == nil, "padding is no part of a text")
        #expect(text.registers(of: "€", count: 4) == nil, "not in the encoding")
    }

    @Test("values that mean none are absent, never a number")
    func absent() {
        let layout = RegisterLayout(type: .int16)
        #expect(decode(layout, [0x8000], absent: [0x8000]).quality == .absent)
        #expect(decode(layout, [0x8000], absent: [0x8000]).value == .none)
        #expect(decode(layout, [0x7FFF], absent: [0x8000]).quality == .good)
        let float = RegisterLayout(type: .float32, absentNaN: true)
        #expect(decode(float, [0x7FC0, 0x0000]).quality == .absent)
        #expect(decode(float, [0xFFC0, 0x0001]).quality == .absent)
        #expect(decode(float, [0x7F80, 0x0000]).reason == .notANumber)
    }

    @Test("NaN is bad where the map does not expect it")
    func notANumber() {
        let reading = decode(.init(type: .float32), [0x7FC0, 0x0000])
        #expect(reading.quality == .bad && reading.reason == .notANumber && reading.value == .none)
    }

    @Test("too few registers are bad, not a trap")
    func tooShort() {
        #expect(decode(.init(type: .uint32), [1]).reason == .tooShort)
        #expect(decode(.init(type: .string, length: 4), []).reason == .tooShort)
    }

    @Test("what registers(of:) lays out, decode reads back, for every type and order")
    func roundTrip() {
        var random = SeededGenerator()
        for type in RegisterType.allCases where type.isInteger && type != .bcd16 && type != .bcd32 {
            for order in ByteOrder.allCases {
                let layout = RegisterLayout(type: type, order: order)
                for _ in 0..<50 {
                    let width = UInt64(layout.registers * 16)
                    let raw = UInt64.random(in: 0...UInt64.max, using: &random) >> (64 - width)
                    guard case .integer(let value) = decode(layout, layout.registers(of: raw)).value else { continue }
                    let mask = width == 64 ? UInt64.max : (1 << width) - 1
                    #expect(UInt64(bitPattern: value) & mask == raw, "HEADGATE_SEED=\(random.seed)")
                }
            }
        }
    }
}
