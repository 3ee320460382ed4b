// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// The Modbus connector of ThingsBoard IoT Gateway, versions 2 and 3 (thingsboard-gateway's own converters and shipped
/// configurations). Addresses are as they go over the wire; there are no units. A map for each device.
enum ThingsBoardConnector {
    static func maps(_ root: YAMLMapping, _ stem: String) -> [ImportedMap] {
        let root = connector(root)
        if let master = root.child("master") {
            // Version 3 has both orders little where nothing is said.
            return master.children("slaves").map { map(of: $0, server: nil, stem, words: "LITTLE") }
        }
        let servers = root.child("server").map { [$0] } ?? root.children("servers")
        return servers.flatMap { server in
            server.children("devices").map { map(of: $0, server: server, stem, words: "BIG") }
        }
    }

    /// A file of the gateway has the connector by itself, or in one wrapper or two: `{"Modbus": {"configurationJson": …}}`.
    static func connector(_ root: YAMLMapping) -> YAMLMapping {
        if let inner = root.child("configurationJson") { return inner }
        for key in ["Modbus", "modbus", "MODBUS"] {
            if let wrapped = root.child(key) { return connector(wrapped) }
        }
        // Or under the connector's own name.
        let isBare = ["master", "server", "servers"].contains { root.has($0) }
        guard !isBare, root.count == 1, let (_, value) = root.all().first, value.isMapping, let inner = value.mapping(),
            ["configurationJson", "master", "server", "servers"].contains(where: { inner.has($0) })
        else { return root }
        return connector(inner)
    }

    private static func map(
        of device: YAMLMapping, server: YAMLMapping?, _ stem: String, words: String
    ) -> ImportedMap {
        let name = device.text("deviceName") ?? stem
        var map = ImportedMap(name: name, title: name)
        map.unit = device.integer("unitId")
        let (link, reason) = link(device, server)
        map.link = link
        if let reason { map.leave("\(name): the connection", reason) }
        let pause =
            device.integer("delayBetweenRequestsMs") ?? device.integer("delay_between_requests_ms")
            ?? server?.integer("delayBetweenRequestsMs")
        map.take(pause: pause, named: "delayBetweenRequestsMs")
        let bytes = device.text("byteOrder") ?? server?.text("byteOrder")
        let given = device.text("wordOrder") ?? server?.text("wordOrder")
        if bytes == nil { map.doubt("the file has no byteOrder: LITTLE is the default of that gateway") }
        if given == nil { map.doubt("the file has no wordOrder: \(words) is the default of that gateway") }
        let order = (bytes: bytes ?? "LITTLE", words: given ?? words)
        let every = device.integer("pollPeriod") ?? device.integer("timeseriesPollPeriod")
        for (list, period) in [("timeseries", every), ("attributes", device.integer("attributesPollPeriod") ?? every)] {
            for entry in device.children(list) {
                let name = entry.text("tag") ?? "unnamed"
                do throws(NotCarried) {
                    for var point in try points(named: name, entry, order, unit: map.unit) {
                        point.every = entry.integer("pollPeriod") ?? period
                        map.points.append(point)
                    }
                } catch {
                    entry.dismiss()
                    map.leave(name, error.why)
                }
            }
        }
        for list in ["attributeUpdates", "rpc"] where !device.children(list).isEmpty {
            device.children(list).forEach { $0.dismiss() }
            map.leave(
                "\(list) (\(device.children(list).count))",
                "write at the point which values may be written: writable: { range: [0, 1] }")
        }
        return map
    }

    /// - Returns: the link, or why it cannot be imported.
    private static func link(_ device: YAMLMapping, _ server: YAMLMapping?) -> (link: String?, reason: String?) {
        func text(_ key: String) -> String? { device.text(key) ?? server?.text(key) }
        func integer(_ key: String) -> Int? { device.integer(key) ?? server?.integer(key) }
        guard let port = text("port") else { return (nil, "has no port") }
        // The gateway takes them in any case.
        let (type, method) = ((text("type") ?? "tcp").lowercased(), (text("method") ?? "socket").lowercased())
        let isRTU = method == "rtu" || device.flag("rtuOverTcp") || server?.flag("rtuOverTcp") ?? false
        let host = text("host")
        let timeout = (device.number("timeout") ?? server?.number("timeout")).flatMap {
            Int(exactly: ($0 * 1_000).rounded())
        }
        guard method != "ascii" else { return (nil, "Modbus ASCII is not supported") }
        guard type != "tls", !isSecured(device), !(server.map(isSecured) ?? false) else {
            return (nil, "Modbus over TLS is not supported: \(host ?? ""):\(port)")
        }
        switch type {
        case "serial":
            // The gateway's own defaults.
            let link = ImportedLink.serial(
                port, baud: integer("baudrate") ?? 19_200, parity: text("parity") ?? "N", dataBits: integer("bytesize"),
                stopBits: integer("stopbits"), timeout: timeout)
            return (link, nil)
        case "tcp":
            guard let host else { return (nil, "has no host") }
            return (ImportedLink.tcp("\(host):\(port)", isRTU: isRTU, timeout: timeout), nil)
        default: return (nil, "Modbus over \(type) is not supported")
        }
    }

    private static func isSecured(_ mapping: YAMLMapping) -> Bool {
        ["tls", "security"].contains { mapping.child($0).map { $0.count > 0 } ?? false }
    }

    // MARK: Points

    private typealias Order = (bytes: String, words: String)

    /// One, or several where the address is a range.
    private static func points(
        named name: String, _ entry: YAMLMapping, _ order: Order, unit: Int?
    ) throws(NotCarried) -> [ImportedPoint] {
        let tables: [Int: RegisterTable] = [1: .coil, 2: .discrete, 3: .holding, 4: .input]
        guard let function = entry.integer("functionCode"), let table = tables[function] else {
            throw NotCarried("functionCode \(entry.text("functionCode") ?? "missing") reads nothing")
        }
        let count = ["objectsCount", "registersCount", "registerCount"].compactMap(entry.integer).first ?? 1
        let written = entry.text("address") ?? ""
        if let address = Int(written) {
            return [try point(named: name, entry, table, address, count, order)]
        }
        let ends = written.split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1], ends[1] <= 65_535, (1...125).contains(count) else {
            throw NotCarried("\"\(written)\" is not an address")
        }
        var points: [ImportedPoint] = []
        for address in stride(from: ends[0], through: ends[1], by: count) {
            let ownName = filled(name, entry, address, count, unit)
            points.append(try point(named: ownName, entry, table, address, count, order))
        }
        return points
    }

    private static func filled(
        _ name: String, _ entry: YAMLMapping, _ address: Int, _ count: Int, _ unit: Int?
    ) -> String {
        var filled = name
        for (place, value) in [
            ("address", "\(address)"), ("type", entry.text("type") ?? ""), ("objectsCount", "\(count)"),
            ("functionCode", entry.text("functionCode") ?? ""), ("unitId", unit.map { "\($0)" } ?? ""),
        ] {
            filled = filled.replacing("${\(place)}", with: value)
        }
        return filled == name ? "\(name)_\(address)" : filled
    }

    private static func point(
        named name: String, _ entry: YAMLMapping, _ table: RegisterTable, _ address: Int, _ count: Int, _ order: Order
    ) throws(NotCarried) -> ImportedPoint {
        guard (0...65_535).contains(address) else { throw NotCarried("\(address) is not an address") }
        let type = (entry.text("type") ?? "").lowercased()
        if table.holdsBits {
            var point = ImportedPoint(name, table, address, .bool)
            guard count > 1 else { return point }
            // It shows several backwards.
            guard let bit = entry.integer("bit"), count <= 8, (0..<count).contains(bit) else {
                throw NotCarried("is \(count) bits at once: make a point of each")
            }
            point.address = address + count - 1 - bit
            point.doubt = "bit \(bit) of \(count), which ThingsBoard counts from the end"
            return point
        }
        var point = ImportedPoint(name, table, address, .uint16)
        try setType(&point, type, count, entry.integer("bit"))
        if point.type != .string, point.bits?.count != 1 {
            // Its decoder always takes the upper byte of the register for an 8uint.
            if type != "8uint" { point.order = try Self.order(of: entry, order, &point) }
            let divider = entry.number("divider") ?? 0
            let multiplier = entry.number("multiplier") ?? 0
            point.scale = (multiplier == 0 ? 1 : multiplier) / (divider == 0 ? 1 : divider)
            if divider != 0, multiplier != 0 {
                point.doubt = "divider and multiplier: from 3.5 on ThingsBoard takes the first alone"
            }
        }
        takeLabels(&point, entry)
        return point
    }

    /// Takes the texts of an entry's numbers: of whole ones, as they are read.
    private static func takeLabels(_ point: inout ImportedPoint, _ entry: YAMLMapping) {
        guard let variants = entry.child("variants") else { return }
        guard let texts = variants.textsOfNumbers, point.type.isInteger, point.scale == 1 else {
            return point.add(doubt: "variants: \(ImportedPoint.noTexts)")
        }
        point.labels = texts
    }

    private static func order(
        of entry: YAMLMapping, _ device: Order, _ point: inout ImportedPoint
    ) throws(NotCarried) -> ByteOrder {
        let own = (bytes: entry.text("byteOrder"), words: entry.text("wordOrder"))
        if own.bytes ?? device.bytes != device.bytes || own.words ?? device.words != device.words {
            point.add(doubt: "an order of its own, which the gateway 3.8 passes over for the device's")
        }
        return try order(own.bytes ?? device.bytes, own.words ?? device.words)
    }

    /// Measured with the gateway's own converter: its byteOrder swaps the bytes in each register, its wordOrder the
    /// registers.
    private static func order(_ bytes: String, _ words: String) throws(NotCarried) -> ByteOrder {
        for written in [bytes, words] where !["BIG", "LITTLE"].contains(written.uppercased()) {
            throw NotCarried("the order \"\(written)\" is neither BIG nor LITTLE")
        }
        return switch (bytes.uppercased() == "LITTLE", words.uppercased() == "LITTLE") {
        case (false, false): .ABCD
        case (false, true): .CDAB
        case (true, false): .BADC
        case (true, true): .DCBA
        }
    }

    private static func setType(
        _ point: inout ImportedPoint, _ type: String, _ count: Int, _ bit: Int?
    ) throws(NotCarried) {
        let types: [String: RegisterType] = [
            "16int": .int16, "16uint": .uint16, "32int": .int32, "32uint": .uint32, "64int": .int64, "64uint": .uint64,
            "32float": .float32, "64float": .float64,
        ]
        let signed: [Int: RegisterType] = [1: .int16, 2: .int32, 4: .int64]
        let unsigned: [Int: RegisterType] = [1: .uint16, 2: .uint32, 4: .uint64]
        let floats: [Int: RegisterType] = [2: .float32, 4: .float64]
        let known: RegisterType? =
            switch type {
            case "int", "integer", "long": signed[count]
            case "uint": unsigned[count]
            case "float", "double": floats[count]
            case "string": .string
            case "8uint", "bits", "bit": .uint16
            default: types[type]
            }
        guard let known else { throw NotCarried("\(count) registers of type \(type) are not known here") }
        point.type = known
        if type == "string" { point.length = count }
        if type == "8uint" { point.bits = 8...15 }
        guard type == "bits" || type == "bit" else { return }
        guard let bit, count == 8 && (0..<8).contains(bit) || count == 16 && (0..<16).contains(bit) else {
            throw NotCarried("which bit of the register ThingsBoard shows depends on its version: write bit: 0 to 15")
        }
        let place = count == 8 ? bit : (bit + 8) % 16
        point.bits = place...place
        point.doubt = "as the gateway 3.8 shows bit \(bit) of \(count)"
    }
}
