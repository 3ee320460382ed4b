// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

/// The `modbus:` part of a device map, and the points that are read from registers.
struct ModbusFormFile {
    static let pointKeys = [
        "address", "table", "type", "order", "bit", "bits", "length", "encoding", "padding", "every", "writable",
        "scale_factor",
    ]

    private enum Addressing { case zeroBased, oneBased, modicon }

    private let addressing: Addressing
    let defaults: YAMLMapping?
    let limits: ModbusLimits

    init(_ mapping: YAMLMapping) {
        addressing =
            mapping.take("addressing")?.word([
                "zero-based": Addressing.zeroBased, "one-based": .oneBased, "modicon": .modicon,
            ]) ?? .zeroBased
        defaults = mapping.take("defaults")?.mapping()
        defaults?.finishDefaults(ofForm: ["table", "every"])
        limits = mapping.take("limits")?.mapping().map(Self.limits) ?? ModbusLimits()
    }

    private static func limits(_ mapping: YAMLMapping) -> ModbusLimits {
        var limits = ModbusLimits()
        if let registers = mapping.take("registers")?.integer(in: 1...ModbusLimits.protocolRegisters) {
            limits.registers = registers
        }
        if let bits = mapping.take("bits")?.integer(in: 1...ModbusLimits.protocolBits) { limits.bits = bits }
        if let gap = mapping.take("gap")?.integer(in: 0...ModbusLimits.protocolRegisters) { limits.gap = gap }
        if let pause = mapping.take("turnaround_delay") {
            limits.pause = pause.duration() ?? 0
            if limits.pause > 1_000_000 {
                pause.problem(.valueOutOfBounds, "must be at most 1s", fix: "few products need more than 100ms")
            }
        }
        mapping.finish()
        return limits
    }

    /// Where a point is found, or nil with the problem recorded.
    func source(of keys: PointKeys) -> Point.Source? {
        let every = keys.take("every")?.duration(atLeast: 1_000) ?? 1_000_000
        let written = keys.takeOwn("address")
        if written == nil { keys.problem(.missingKey, "must have `address`", fix: "write address: 0x0000") }
        let place = written.flatMap { self.place($0, keys) }
        guard let place, let (layout, absent) = layout(keys, table: place.table) else { return nil }
        let end = Int(place.address) + layout.registers
        if end > 65_536 { written?.problem(.addressBeyondTable, "ends after the last address, 65535") }
        let factor = scaleFactor(keys, layout, place.table)
        let most = place.table.holdsBits ? limits.bits : limits.registers
        let source = RegisterSource(
            table: place.table, address: place.address, layout: layout, absent: absent, every: every,
            scaleFactor: factor)
        if source.span.count > most {
            let factor = source.scaleFactor == nil ? "" : ", its scale factor included"
            written?.problem(
                .requestTooLong, "has \(source.span.count) registers\(factor)",
                fix: "the limits of the map allow \(most) in one request")
        }
        return .register(source)
    }

    /// Where the power of ten stands that the device gives for a value.
    private func scaleFactor(_ keys: PointKeys, _ layout: RegisterLayout, _ table: RegisterTable) -> UInt16? {
        guard let written = keys.takeOwn("scale_factor") else { return nil }
        guard !table.holdsBits, layout.type.isNumber, layout.bits?.count != 1 else {
            written.problem(.onlyForType, "is only for numbers", fix: "remove it")
            return nil
        }
        guard let place = place(written, in: addressing == .modicon ? nil : table) else { return nil }
        if place.table != table { written.problem(.wrongTable, "must be in the table of the value, \(table.rawValue)") }
        return place.address
    }

    private func layout(_ keys: PointKeys, table: RegisterTable) -> (RegisterLayout, absent: [UInt64])? {
        if table.holdsBits {
            // A bit is a bit: the map's default type is meant for registers.
            if let type = keys.takeOwn("type"), type.scalar != "bool" {
                type.problem(.wrongTable, "must be bool for the table \(table.rawValue)", fix: "remove it")
            }
            _ = keys.take("type")
            _ = keys.take("order")
            return (RegisterLayout(type: .bool), absent: [])
        }
        guard let (layout, absent) = keys.layout() else { return nil }
        if layout.type == .bool {
            keys.problem(
                .wrongTable, "must not be bool: bool is only for coils and discrete inputs",
                fix: "write type: uint16 and bit: 0")
            return nil
        }
        return (layout, absent)
    }

    // MARK: Addresses

    private func place(_ written: YAMLValue, _ keys: PointKeys) -> (table: RegisterTable, address: UInt16)? {
        if addressing == .modicon {
            if let table = keys.takeOwn("table") {
                table.problem(
                    .keyNotAllowedHere, "is not allowed: the number of the register contains the table",
                    fix: "remove it")
            }
            _ = keys.take("table")
            return place(written, in: nil)
        }
        guard let table = keys.take("table") else {
            keys.problem(.missingKey, "must have `table`", fix: "write table: input, or write a default for the map")
            return nil
        }
        return table.word(Self.tables).flatMap { place(written, in: $0) }
    }

    /// What an address means in the map's own way of counting.
    /// - Parameter table: where the address does not say it.
    func place(_ written: YAMLValue, in table: RegisterTable?) -> (table: RegisterTable, address: UInt16)? {
        if addressing == .modicon {
            guard let number = written.integer(in: 1...465_536, "a Modicon number") else { return nil }
            guard let place = Self.modicon(number) else {
                written.problem(
                    .wrongTable, "is not in any table",
                    fix: "1 is a coil, 10001 a discrete input, 30001 an input and 40001 a holding register")
                return nil
            }
            return place
        }
        let base = addressing == .oneBased ? 1 : 0
        guard let table, let number = written.integer(in: base...(65_535 + base), "an address") else { return nil }
        return (table, UInt16(number - base))
    }

    /// The table is the first digit of five or six; what follows counts from one.
    static func modicon(_ number: Int) -> (table: RegisterTable, address: UInt16)? {
        // Six digits where five cannot say it: 400001 to 465536.
        let digits = number >= 100_000 ? 100_000 : 10_000
        let address = number % digits
        guard (1...65_536).contains(address) else { return nil }
        let table: RegisterTable? =
            switch number / digits {
            case 0: .coil
            case 1: .discrete
            case 3: .input
            case 4: .holding
            default: nil
            }
        return table.map { ($0, UInt16(address - 1)) }
    }

    private static let tables: KeyValuePairs<String, RegisterTable> = [
        "coil": .coil, "discrete": .discrete, "input": .input, "holding": .holding,
    ]
}

extension YAMLMapping {
    /// Reports defaults that no point of a form can have.
    /// - Parameter ofForm: those beside the ones that points of every form can have.
    func finishDefaults(ofForm: [String]) {
        let common = [
            "type", "order", "unit", "output_unit", "lane", "scale", "offset", "absent", "absent_register", "range",
            "kind",
        ]
        for key in ofForm + common + FilterKeys.all { _ = take(key) }
        finish()
    }
}
