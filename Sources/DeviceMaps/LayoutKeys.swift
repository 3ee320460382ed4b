// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import YAMLText

/// The keys that say how a value lies in registers, shared by Modbus maps and raw MQTT payloads.
extension PointKeys {
    /// How the value lies in its registers, and the raw values that mean that there is none.
    func layout() -> (RegisterLayout, absent: [UInt64])? {
        guard let typeValue = take("type") else {
            problem(.missingKey, "must have `type`", fix: "write type: uint16, or write a default for the map")
            return nil
        }
        guard let type = typeValue.word(Self.types) else { return nil }
        if type == .string { return textLayout().map { ($0, []) } }
        for key in ["encoding", "padding"] {
            takeOwn(key)?.problem(.onlyForType, "is only for strings", fix: "remove it")
        }
        let order = take("order")?.word(Self.orders) ?? .ABCD
        let bits = bits(of: type)
        var layout = RegisterLayout(type: type, order: order, bits: bits)
        layout.absentRegister = absentRegister(of: layout)
        takeOwn("length")?.problem(
            .onlyForType, "is only for strings", fix: "remove it: the type gives the length of a number")
        // A default is of whole values, not of some bits of one.
        let written = bits == nil ? take("absent") : takeOwn("absent")
        let absent = (written?.sequence() ?? []).compactMap { pattern(of: $0, &layout) }
        return (layout, absent)
    }

    private func absentRegister(of layout: RegisterLayout) -> [UInt64] {
        let written = take(
            "absent_register", where: layout.bits != nil, "is for `bit` and `bits`, where whole values have `absent`")
        var whole = layout
        whole.bits = nil
        return (written?.sequence() ?? []).compactMap { pattern(of: $0, &whole) }
    }

    /// Texts that mean "no value" are those of the conversion.
    private func textLayout() -> RegisterLayout? {
        for key in ["bit", "bits"] {
            takeOwn(key)?.problem(.needsIntegerType, "must have an integer type", fix: "write type: uint16")
        }
        var layout = RegisterLayout(type: .string)
        var text = TextLayout()
        text.order = takeOwn("order")?.word(Self.textOrders) ?? .asSent
        text.encoding =
            takeOwn("encoding")?.word(["ascii": TextLayout.Encoding.ascii, "utf8": .utf8, "latin1": .latin1]) ?? .utf8
        if let padding = takeOwn("padding") {
            let bytes = padding.scalar == nil ? padding.sequence() ?? [] : [padding]
            text.padding = bytes.compactMap { $0.integer(in: 0...255, "a byte") }.map { UInt8($0) }
        }
        layout.text = text
        guard let length = takeOwn("length") else {
            problem(.missingKey, "must have `length`", fix: "write how many registers the text has: length: 8")
            return nil
        }
        layout.length = length.integer(in: 1...ModbusLimits.protocolRegisters) ?? 1
        return layout
    }

    private func bits(of type: RegisterType) -> ClosedRange<Int>? {
        let width = type.registers * 16
        let bit = takeOwn("bit")
        let field = takeOwn("bits")
        if let value = bit ?? field, !type.isInteger {
            value.problem(.needsIntegerType, "must have an integer type", fix: "write type: uint16")
            return nil
        }
        if let bit {
            if field != nil {
                bit.problem(.conflictingKeys, "is not allowed beside `bits`", fix: "remove one of the two")
            }
            return bit.integer(in: 0...(width - 1), "a bit").map { $0...$0 }
        }
        guard let field, let ends = field.sequence() else { return nil }
        guard ends.count == 2, let low = ends[0].integer(in: 0...(width - 1), "a bit"),
            let high = ends[1].integer(in: 0...(width - 1), "a bit"), low <= high
        else {
            field.problem(.invalidBits, "must be the lowest and the highest bit", fix: "write bits: [0, 3]")
            return nil
        }
        return low...high
    }

    /// Hexadecimal is a bit pattern, decimal a number, `nan` any NaN.
    private func pattern(of absent: YAMLValue, _ layout: inout RegisterLayout) -> UInt64? {
        let text = absent.scalar ?? ""
        if text == "nan" {
            layout.absentNaN = true
            if layout.type != .float32, layout.type != .float64 {
                absent.problem(.invalidRawValue, "must not be nan: only floats have it")
            }
            return nil
        }
        if text.hasPrefix("0x"), let pattern = UInt64(text.dropFirst(2), radix: 16) {
            checkWidth(of: absent, pattern, layout)
            return pattern
        }
        if layout.bits == nil, let pattern = Value(wholeNumber: text).flatMap({ layout.pattern(ofWhole: $0) }) {
            return pattern
        }
        if let number = Double(text), let pattern = layout.pattern(of: number) {
            // An integer type holds it as it is, or not at all.
            if layout.type.isInteger, layout.bits == nil, layout.number(of: pattern) != number {
                absent.problem(
                    .invalidRawValue, "is not a value of \(layout.type.rawValue)",
                    fix: "write its bit pattern, like 0xFFFF")
            }
            if layout.bits != nil { checkWidth(of: absent, pattern, layout) }
            return pattern
        }
        absent.problem(.invalidRawValue, "must be a raw value", fix: "write 0x8000, -32768 or nan")
        return nil
    }

    private func checkWidth(of absent: YAMLValue, _ pattern: UInt64, _ layout: RegisterLayout) {
        let width = layout.bits?.count ?? layout.registers * 16
        if width < 64, pattern >> UInt64(width) != 0 {
            absent.problem(
                .rawValueTooWide, "needs more than the \(width) bits of the value",
                fix: "write the value of these bits alone, or write `absent_register` for a value of the whole register"
            )
        }
    }

    private static let types: KeyValuePairs<String, RegisterType> = [
        "bool": .bool, "int16": .int16, "uint16": .uint16, "int32": .int32, "uint32": .uint32, "int64": .int64,
        "uint64": .uint64, "float32": .float32, "float64": .float64, "bcd16": .bcd16, "bcd32": .bcd32,
        "string": .string,
    ]
    private static let textOrders: KeyValuePairs<String, TextLayout.Order> = [
        "ABCD": .asSent, "BADC": .swapped, "high": .high, "low": .low,
    ]
    private static let orders: KeyValuePairs<String, ByteOrder> = [
        "ABCD": .ABCD, "CDAB": .CDAB, "BADC": .BADC, "DCBA": .DCBA,
    ]
}
