// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// Telegraf's inputs.modbus in its three styles (github.com/influxdata/telegraf, plugins/inputs/modbus). Addresses are as
/// they go over the wire; there are no units.
enum TelegrafConfiguration {
    static func maps(_ root: YAMLMapping, _ stem: String) -> [ImportedMap] {
        (root.child("inputs")?.children("modbus") ?? []).flatMap { plugin in
            let reader = Plugin(plugin, stem)
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
        let link: String?

        init(_ plugin: YAMLMapping, _ stem: String) {
            self.plugin = plugin
            name = plugin.text("name") ?? stem
            every = plugin.text("interval").flatMap(Self.milliseconds)
            link = Self.link(plugin)
        }

        // MARK: Register style

        func registers() -> ImportedMap {
            var map = ImportedMap(name: name, title: name)
            map.link = link
            map.unit = plugin.integer("slave_id")
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
            try Self.setType(&point, try fixed(type, addresses.count), length: addresses.count, field.integer("bit"))
            guard point.type == .string || point.type.registers == addresses.count else {
                throw NotCarried("\(addresses.count) registers are no \(type)")
            }
            if point.type != .string, point.bits == nil { point.scale = field.number("scale") ?? 1 }
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
                var map = maps[unit] ?? ImportedMap(name: name, title: "\(name), unit \(unit)")
                map.link = link
                map.unit = unit
                for field in request.children("fields") where !field.flag("omit") {
                    take(field, into: &map) { () throws(NotCarried) in
                        let register = (ofMetrics ? field : request).text("register") ?? "holding"
                        return try self.field(field, register, request.text("byte_order") ?? "ABCD")
                    }
                }
                if let tags = request.child("tags")?.all(), !tags.isEmpty {
                    map.doubt(
                        "tags belong to the device in headgate.yaml: \(tags.compactMap(\.key.scalar).joined(separator: ", "))"
                    )
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
            try Self.setType(&point, type, length: field.integer("length") ?? 1, field.integer("bit"))
            if let scale = field.number("scale"), scale != 0, point.bits == nil { point.scale = scale }
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
                map.leave(name, error.why)
            }
        }

        private static func setType(
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
                guard !point.order.swapsBytes else { throw NotCarried("a text with its bytes swapped") }
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

        /// "10s", "500ms", "1m".
        private static func milliseconds(_ text: String) -> Int? {
            for (unit, factor) in [("ms", 1.0), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
            where text.hasSuffix(unit) {
                guard let number = Double(text.dropLast(unit.count)), number > 0, number < 1e6 else { return nil }
                return Int(number * factor)
            }
            return nil
        }

        private static func link(_ plugin: YAMLMapping) -> String? {
            guard let controller = plugin.text("controller") else { return nil }
            if controller.hasPrefix("tcp://") {
                let framing = plugin.text("transmission_mode") == "RTUoverTCP" ? ", framing: rtu" : ""
                return "{ tcp: \"\(controller.dropFirst(6))\"\(framing) }"
            }
            guard controller.hasPrefix("file://") else { return nil }
            let parity = ["N": "none", "E": "even", "O": "odd"][plugin.text("parity") ?? "N"] ?? "none"
            return
                "{ rtu: \(controller.dropFirst(7)), baud: \(plugin.integer("baud_rate") ?? 9_600), parity: \(parity) }"
        }
    }
}
