// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// Telegraf's inputs.modbus in its three styles (github.com/influxdata/telegraf, plugins/inputs/modbus). Addresses are as
/// they go over the wire; there are no units.
enum TelegrafConfiguration {
    static func maps(_ root: YAMLMapping, _ stem: String) -> [ImportedMap] {
        let agent = root.child("agent")?.text("interval")
        return (root.child("inputs")?.children("modbus") ?? []).flatMap { plugin in
            let reader = Plugin(plugin, stem, interval: agent)
            return switch plugin.text("configuration_type") ?? "register" {
            case "request": reader.requests(plugin.children("request"), ofMetrics: false)
            case "metric": reader.requests(plugin.children("metric"), ofMetrics: true)
            default: [reader.registers()]
            }
        }
    }

    /// One of a file's inputs: a connection.
    private struct Plugin {
        let plugin: YAMLMapping
        let name: String
        let every: Int?
        private let link: String?
        /// Why the link cannot be imported.
        private let noLink: String?
        private let tags: [(name: String, value: String)]
        private let pause: Int?
        /// Which byte of a register is a character: lower, upper or both.
        private let textBytes: String

        /// - Parameter interval: the agent's, for inputs without their own.
        init(_ plugin: YAMLMapping, _ stem: String, interval: String?) {
            self.plugin = plugin
            name = plugin.text("name") ?? stem
            every = (plugin.text("interval") ?? interval).flatMap(Self.milliseconds)
            (link, noLink) = Self.link(plugin)
            tags = Self.tags(plugin)
            let workarounds = plugin.child("workarounds")
            pause = workarounds?.text("pause_between_requests").flatMap(Self.milliseconds)
            textBytes = workarounds?.text("string_register_location") ?? "both"
        }

        private static func tags(_ mapping: YAMLMapping) -> [(name: String, value: String)] {
            (mapping.child("tags")?.all() ?? []).compactMap { key, value in
                key.scalar.flatMap { name in value.scalar.map { (name, $0) } }
            }
        }

        /// What all of its maps have in common.
        private func map(_ title: String, unit: Int?) -> ImportedMap {
            var map = ImportedMap(name: name, title: title)
            (map.link, map.unit, map.tags, map.pause) = (link, unit, tags, pause)
            if let noLink { map.leave("controller", noLink) }
            return map
        }

        // MARK: Register style

        func registers() -> ImportedMap {
            var map = map(name, unit: plugin.integer("slave_id"))
            let lists: KeyValuePairs<String, RegisterTable> = [
                "discrete_inputs": .discrete, "coils": .coil, "holding_registers": .holding, "input_registers": .input,
            ]
            for (key, table) in lists {
                for field in plugin.children(key) {
                    take(field, into: &map) { () throws(NotCarried) in try register(field, table) }
                }
            }
            return map
        }

        private func register(
            _ field: YAMLMapping, _ table: RegisterTable
        ) throws(NotCarried) -> ImportedPoint {
            let addresses = (field.take("address")?.sequence() ?? []).compactMap { $0.scalar.flatMap(Int.init) }
            guard let first = addresses.first, (0...65_535).contains(first) else { throw NotCarried("has no address") }
            guard addresses == Array(first..<(first + addresses.count)) else {
                throw NotCarried("its registers do not follow one another")
            }
            var point = ImportedPoint(field.text("name") ?? "unnamed", table, first, .uint16)
            guard !table.holdsBits else { return point }
            let type = field.text("data_type") ?? ""
            point.order = try order(field.text("byte_order") ?? "")
            try setType(&point, try fixed(type, addresses.count), length: addresses.count, field.integer("bit"))
            guard point.type == .string || point.type.registers == addresses.count else {
                throw NotCarried("\(addresses.count) registers are no \(type)")
            }
            if let scale = field.number("scale"), scale != 0 { try take(scale: scale, &point) }
            if type == "FLOAT32" {
                point.doubt = "no float in this style of Telegraf; where one was meant: type: float32"
            }
            if type.hasPrefix("INT") || type.hasPrefix("UINT"), point.scale != point.scale.rounded() {
                point.doubt = "a whole number in Telegraf, which cuts off the fraction"
            }
            return point
        }

        /// The names of this style alone.
        private func fixed(_ type: String, _ count: Int) throws(NotCarried) -> String {
            switch type {
            case "FIXED", "FLOAT": return "INT\(count * 16)"
            case "UFIXED", "UFLOAT": return "UINT\(count * 16)"
            case "FLOAT16-IEEE", "FLOAT32-IEEE", "FLOAT64-IEEE": return String(type.dropLast(5))
            case "FLOAT32": return "UINT\(count * 16)"
            case "FLOAT16", "FLOAT64": throw NotCarried("\(type) is not known in this style")
            default: return type
            }
        }

        // MARK: Request and metric style

        /// A map for each unit.
        func requests(_ requests: [YAMLMapping], ofMetrics: Bool) -> [ImportedMap] {
            var maps: [Int: ImportedMap] = [:]
            var units: [Int] = []
            for request in requests {
                let unit = request.integer("slave_id") ?? 0
                if maps[unit] == nil { units.append(unit) }
                var map = maps[unit] ?? map("\(name), unit \(unit)", unit: unit)
                for field in request.children("fields") {
                    if field.flag("omit") {
                        field.dismiss()
                        map.leave(
                            field.text("name") ?? "unnamed, at \(field.text("address") ?? "no address")",
                            "is read and left out there (omit = true)")
                        continue
                    }
                    take(field, into: &map) { () throws(NotCarried) in
                        let register = (ofMetrics ? field : request).text("register") ?? "holding"
                        return try self.field(field, register, request.text("byte_order") ?? "ABCD")
                    }
                }
                for tag in Self.tags(request) where !map.tags.contains(where: { $0.name == tag.name }) {
                    map.tags.append(tag)
                }
                maps[unit] = map
            }
            return units.compactMap { maps[$0] }
        }

        private func field(
            _ field: YAMLMapping, _ register: String, _ order: String
        ) throws(NotCarried) -> ImportedPoint {
            guard let table = RegisterTable(rawValue: register) else {
                throw NotCarried("register \(register) is none")
            }
            guard let address = field.integer("address") else { throw NotCarried("has no address") }
            var point = ImportedPoint(field.text("name") ?? "unnamed", table, address, .uint16)
            guard !table.holdsBits else { return point }
            point.order = try self.order(order)
            let type = field.text("type") ?? ""
            try setType(&point, type, length: field.integer("length") ?? 1, field.integer("bit"))
            if let scale = field.number("scale"), scale != 0 { try take(scale: scale, &point) }
            if let output = field.text("output"), output.contains("INT"), point.scale != point.scale.rounded() {
                point.doubt = "\(output) in Telegraf, which cuts off the fraction"
            }
            return point
        }

        // MARK: Both

        private func take(
            _ field: YAMLMapping, into map: inout ImportedMap, _ make: () throws(NotCarried) -> ImportedPoint
        ) {
            let name = field.text("name") ?? "unnamed"
            do throws(NotCarried) {
                var point = try make()
                point.every = every
                map.points.append(point)
            } catch {
                field.dismiss()
                map.leave(name, error.why)
            }
        }

        /// A part of a register has a scale as a whole one has; one bit and a text have none.
        private func take(scale: Double, _ point: inout ImportedPoint) throws(NotCarried) {
            guard scale != 1 else { return }
            guard point.type != .string, point.bits?.count != 1 else {
                throw NotCarried("a bit or a text with the scale \(scale.plain)")
            }
            point.scale = scale
        }

        private func setType(
            _ point: inout ImportedPoint, _ type: String, length: Int, _ bit: Int?
        ) throws(NotCarried) {
            let types: [String: RegisterType] = [
                "INT16": .int16, "UINT16": .uint16, "INT32": .int32, "UINT32": .uint32, "INT64": .int64,
                "UINT64": .uint64, "FLOAT32": .float32, "FLOAT64": .float64,
            ]
            switch type {
            case "BIT": point.bits = (bit ?? 0)...(bit ?? 0)
            case "UINT8L": point.bits = 0...7
            case "UINT8H": point.bits = 8...15
            case "STRING":
                let orders = ["both": point.order.swapsBytes ? "BADC" : nil, "upper": "high", "lower": "low"]
                guard let order = orders[textBytes] else {
                    throw NotCarried("unknown string_register_location \"\(textBytes)\"")
                }
                // The location counts after the bytes are in their order.
                point.textOrder =
                    point.order.swapsBytes && textBytes != "both" ? (order == "high" ? "low" : "high") : order
                point.type = .string
                point.length = length
            default:
                guard let known = types[type] else { throw NotCarried("values of type \(type) are not known here") }
                point.type = known
            }
        }

        private func order(_ written: String) throws(NotCarried) -> ByteOrder {
            switch written {
            case "ABCD", "AB", "ABCDEFGH", "MSW-BE", "MSW": return .ABCD
            case "BADC", "BADCFEHG", "MSW-LE": return .BADC
            case "CDAB", "GHEFCDAB", "LSW-BE": return .CDAB
            case "DCBA", "BA", "HGFEDCBA", "LSW-LE", "LSW": return .DCBA
            default: throw NotCarried("byte_order \"\(written)\" is none")
            }
        }

        /// "10s", "500ms", "1m30s": a duration of Go.
        private static func milliseconds(_ text: String) -> Int? {
            var (rest, total) = (text[...], 0.0)
            while !rest.isEmpty {
                let digits = rest.prefix { $0.isNumber || $0 == "." }
                rest = rest.dropFirst(digits.count)
                let units = [("ms", 1.0), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
                guard let number = Double(digits), number < 1e6,
                    let (unit, factor) = units.first(where: { rest.hasPrefix($0.0) })
                else { return nil }
                rest = rest.dropFirst(unit.count)
                total += number * factor
            }
            return total > 0 && total < 1e9 ? Int(total) : nil
        }

        /// - Returns: the link, or why it cannot be imported.
        private static func link(_ plugin: YAMLMapping) -> (link: String?, reason: String?) {
            guard let controller = plugin.text("controller") else { return (nil, nil) }
            let mode = plugin.text("transmission_mode") ?? ""
            let timeout = plugin.text("timeout").flatMap(milliseconds)
            guard !mode.uppercased().hasPrefix("ASCII") else {
                return (nil, "Modbus ASCII is not supported: \(controller)")
            }
            if controller.hasPrefix("tcp://") {
                guard ["", "auto", "TCP", "RTUoverTCP"].contains(mode) else {
                    return (nil, "transmission_mode \(mode) is not known here: \(controller)")
                }
                let address = String(controller.dropFirst(6))
                return (ImportedLink.tcp(address, isRTU: mode == "RTUoverTCP", timeout: timeout), nil)
            }
            guard controller.hasPrefix("file://") else {
                return (nil, "\(controller) is neither TCP nor a serial line of Linux")
            }
            // Telegraf's own defaults.
            let link = ImportedLink.serial(
                String(controller.dropFirst(7)), baud: plugin.integer("baud_rate") ?? 9_600,
                parity: plugin.text("parity") ?? "N", dataBits: plugin.integer("data_bits"),
                stopBits: plugin.integer("stop_bits"), timeout: timeout)
            return (link, nil)
        }
    }
}
