// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// Tags of Neuron's Modbus drivers: exports of drivers, templates, the global configuration and answers of its API
/// (github.com/emqx/neuron, docs of its Modbus plugins). A map for each driver and unit.
enum NeuronTags {
    static func maps(_ root: YAMLMapping, _ stem: String) -> [ImportedMap] {
        var drivers = Drivers()
        let nodes = root.children("nodes").filter { $0.take("groups") != nil }
        for driver in nodes { drivers.add(driver, name: driver.text("name") ?? stem, params: driver.child("params")) }
        if let name = root.text("name") {
            drivers.add(root, name: name, params: root.child("params"))
        } else {
            // The global configuration keeps apart what belongs together.
            for node in root.children("nodes") {
                if let name = node.text("name") { drivers.plugins[name] = node.text("plugin") }
            }
            for group in root.children("tags") where group.take("tags") != nil {
                let (name, own) = (group.text("driver") ?? stem, group.text("group"))
                let settings = root.children("settings").first { $0.text("node") == name }?.child("params")
                let intervals = root.children("groups").filter { $0.text("driver") == name }
                let interval = intervals.first { $0.text("group") == own }?.integer("interval")
                drivers.add(group.children("tags"), to: name, every: interval, settings)
            }
            _ = root.text("group")
            drivers.add(root, name: root.text("node") ?? stem, params: nil)
        }
        return drivers.maps
    }

    private struct Drivers {
        private(set) var maps: [ImportedMap] = []

        /// By driver: Modbus TCP, Modbus RTU.
        fileprivate var plugins: [String: String] = [:]

        mutating func add(_ driver: YAMLMapping, name: String, params: YAMLMapping?) {
            plugins[name] = driver.text("plugin")
            for group in driver.children("groups") {
                // The names of groups are in no event.
                _ = group.text("group")
                add(group.children("tags"), to: name, every: group.integer("interval"), params)
            }
            add(driver.children("tags").filter { $0.take("tags") == nil }, to: name, every: nil, params)
        }

        mutating func add(_ tags: [YAMLMapping], to driver: String, every: Int?, _ params: YAMLMapping?) {
            // Its numbers for the order of 32 bits; a suffix of the address comes before it.
            let orders: [Int: ByteOrder] = [1: .ABCD, 2: .BADC, 3: .DCBA, 4: .CDAB]
            let order = params?.integer("endianess").flatMap { orders[$0] } ?? .ABCD
            let wide = params?.integer("endianess_64")
            let wideOrder = wide.flatMap { orders[$0] } ?? .ABCD
            let base = params?.integer("address_base") == 0 ? 0 : 1
            var unit = 1
            for tag in tags {
                let name = tag.text("name") ?? "unnamed"
                let address = tag.text("address") ?? ""
                // A constant has no address, and belongs to its neighbours.
                if address.contains("!") { unit = address.split(separator: "!").first.flatMap { Int($0) } ?? unit }
                let place = place(of: driver, unit: unit, params)
                if let wide, wide != 1 {
                    maps[place].doubt("endianess_64 is \(wide), read as \(wideOrder.rawValue) like endianess")
                }
                if params == nil {
                    maps[place].doubt(
                        "the address_base (assumed: 1), endianess (assumed: ABCD) and connection of the driver are not in this file"
                    )
                }
                if every == nil { maps[place].doubt("no interval is in this file: points are read every second") }
                do throws(NotCarried) {
                    var point = try NeuronTags.point(
                        named: name, tag, address, (order, wideOrder), base: base)
                    point.every = every
                    maps[place].points.append(point)
                } catch {
                    tag.dismiss()
                    maps[place].leave(name, error.why)
                }
            }
        }

        private mutating func place(of driver: String, unit: Int, _ params: YAMLMapping?) -> Int {
            if let known = maps.firstIndex(where: { $0.title == "\(driver), unit \(unit)" }) { return known }
            var map = ImportedMap(name: driver, title: "\(driver), unit \(unit)")
            map.unit = unit
            if let params { Self.link(params, isRTU: plugins[driver]?.uppercased().contains("RTU") ?? false, &map) }
            map.take(pause: params?.integer("interval"), named: "interval (between requests)")
            maps.append(map)
            return maps.count - 1
        }

        /// The numbers of its settings stand for what its drivers' schemas list (plugins/modbus/modbus-rtu.json).
        private static let bauds = [
            115_200, 57_600, 38_400, 19_200, 9_600, 4_800, 2_400, 1_800, 1_200, 600, 300,
        ]

        private static func link(_ params: YAMLMapping, isRTU: Bool, _ map: inout ImportedMap) {
            let timeout = params.integer("timeout")
            // Only the driver for RTU has a serial line, and has it where nothing is said.
            if isRTU, params.integer("link") ?? 0 == 0, let device = params.text("device") {
                // It counts odd before even; mark and space are no parities of a link.
                let parities = ["N", "O", "E"]
                let parity = params.integer("parity") ?? 0
                let (baud, data) = (params.integer("baud") ?? 4, params.integer("data") ?? 3)
                let stop = params.integer("stop") ?? 0
                guard bauds.indices.contains(baud), (2...3).contains(data), (0...1).contains(stop),
                    parities.indices.contains(parity)
                else {
                    return map.leave("the serial line \(device)", "a link cannot have its baud, data, parity or stop")
                }
                map.link = ImportedLink.serial(
                    device, baud: bauds[baud], parity: parities[parity], dataBits: data + 5,
                    stopBits: stop + 1, timeout: timeout)
                return
            }
            guard let host = params.text("host"), let port = params.integer("port") else { return }
            guard params.integer("transport_mode") ?? 0 == 0 else {
                return map.leave("\(host):\(port)", "Modbus over UDP is not supported")
            }
            map.link =
                params.integer("connection_mode") == 1
                ? ImportedLink.listen("\(host):\(port)", isRTU: isRTU, timeout: timeout)
                : ImportedLink.tcp("\(host):\(port)", isRTU: isRTU, timeout: timeout)
        }
    }

    // MARK: One tag

    /// The driver's orders of values of two and of four registers.
    private typealias Orders = (double: ByteOrder, quadruple: ByteOrder)

    private static func point(
        named name: String, _ tag: YAMLMapping, _ address: String, _ orders: Orders, base: Int
    ) throws(NotCarried) -> ImportedPoint {
        let attribute = tag.integer("attribute") ?? 1
        if attribute & 8 != 0 { throw NotCarried("is a constant of Neuron's, not of the device") }
        guard attribute & 5 != 0 else { throw NotCarried("is write-only there") }
        let parts = try Address(address)
        guard let table = parts.table else { throw NotCarried("address \(address) is in no table") }
        guard parts.number - base >= 0, parts.number - base <= 65_535 else {
            throw NotCarried("address \(address) is beyond the table")
        }
        var point = ImportedPoint(name, table, parts.number - base, .uint16)
        guard !table.holdsBits else {
            // Its type can only be that of a bit.
            _ = tag.integer("type")
            point.isWritable = attribute & 2 != 0 && table == .coil
            describe(&point, tag)
            return point
        }
        try setType(&point, tag, parts, orders)
        if let decimal = tag.number("decimal"), decimal != 0, point.type != .string, point.bits == nil {
            point.scale = decimal
        }
        if point.type != .string, point.bits == nil { point.offset = tag.number("bias") ?? 0 }
        if let unit = tag.text("unit") { point.take(unit: unit) }
        if attribute & 2 != 0 { point.doubtWritable() }
        describe(&point, tag)
        return point
    }

    private static func describe(_ point: inout ImportedPoint, _ tag: YAMLMapping) {
        guard let text = tag.text("description"), !text.isEmpty else { return }
        let line = String(text.filter { !$0.isNewline }.prefix(80))
        point.doubt = [line, point.doubt].compactMap(\.self).joined(separator: "; ")
    }

    private static func setType(
        _ point: inout ImportedPoint, _ tag: YAMLMapping, _ address: Address, _ orders: Orders
    ) throws(NotCarried) {
        let types: [Int: RegisterType] = [
            3: .int16, 4: .uint16, 5: .int32, 6: .uint32, 7: .int64, 8: .uint64, 9: .float32, 10: .float64, 11: .uint16,
            13: .string, 16: .uint16, 17: .uint32, 18: .uint64,
        ]
        let number = tag.integer("type") ?? 0
        guard let type = types[number] else { throw NotCarried("type \(number) is not known here") }
        point.type = type
        if number == 11 {
            guard let bit = address.part.flatMap(Int.init), (0...15).contains(bit) else {
                throw NotCarried("names no bit of its register")
            }
            point.bits = bit...bit
        } else if type == .string {
            try setLength(&point, address.part)
        } else {
            point.order = try Self.order(address.suffix, registers: type.registers, orders)
        }
    }

    /// Bytes, two a register; H, the first in the upper one.
    private static func setLength(_ point: inout ImportedPoint, _ part: String?) throws(NotCarried) {
        let digits = part?.prefix { $0.isNumber } ?? ""
        guard let bytes = Int(digits), (1...250).contains(bytes), let part else { throw NotCarried("has no length") }
        switch part.dropFirst(digits.count) {
        case "H": break
        case "L": point.textOrder = "BADC"
        // One character a register.
        case "D": point.textOrder = "low"
        case "E": point.textOrder = "high"
        case "": point.doubt = "in Neuron's documents a text without H has its bytes swapped, in its code it has not"
        default: throw NotCarried("unknown byte order of the text \(part)")
        }
        let isOneEach = point.textOrder == "low" || point.textOrder == "high"
        point.length = isOneEach ? bytes : (bytes + 1) / 2
    }

    /// What its letters mean is the other way round from what they seem to: LL is ABCD (docs of modbus-tcp).
    private static func order(_ suffix: String?, registers: Int, _ general: Orders) throws(NotCarried) -> ByteOrder {
        switch (suffix, registers) {
        case (nil, 2): return general.double
        case (nil, 4): return general.quadruple
        case (nil, _), ("L", _), ("LL", _): return .ABCD
        case ("B", 1): return .BADC
        case ("B", 4), ("BB", 2...): return .DCBA
        case ("LB", 2...): return .BADC
        case ("BL", 2...): return .CDAB
        default: throw NotCarried("order #\(suffix ?? "") is not an order of \(registers) registers")
        }
    }

    /// `1!40001`, `1!40001.3`, `1!40001#BB`, `1!40001.20H`.
    private struct Address {
        var table: RegisterTable?
        var number: Int
        var part: String?
        var suffix: String?

        init(_ text: String) throws(NotCarried) {
            let halves = text.split(separator: "!")
            guard halves.count == 2, let area = halves[1].first else {
                throw NotCarried("\"\(text)\" is not an address")
            }
            table = ["0": .coil, "1": .discrete, "3": .input, "4": .holding][area]
            let rest = halves[1].dropFirst()
            let digits = rest.prefix { $0.isNumber }
            guard let number = Int(digits) else { throw NotCarried("\"\(text)\" is not an address") }
            self.number = number
            var more = rest.dropFirst(digits.count)
            while let mark = more.first, mark == "." || mark == "#" {
                let value = String(more.dropFirst().prefix { $0 != "." && $0 != "#" })
                if mark == "." { part = value } else { suffix = value }
                more = more.dropFirst(1 + value.count)
            }
            guard more.isEmpty else { throw NotCarried("\"\(text)\" is not an address") }
        }
    }
}
