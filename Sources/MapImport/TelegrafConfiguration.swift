// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// Telegraf's inputs.modbus in its three styles (github.com/influxdata/telegraf, plugins/inputs/modbus). Addresses are as
/// they go over the wire; there are no units.
enum TelegrafConfiguration {
    static func maps(_ root: YAMLMapping, _ stem: String) -> [ImportedMap] {
        let agent = root.child("agent")?.text("interval")
        let tags = Plugin.tags(root, "global_tags")
        let inputs = root.child("inputs")
        let plugins = inputs?.child("modbus").map { [$0] } ?? inputs?.children("modbus") ?? []
        return plugins.flatMap { plugin in
            let reader = Plugin(plugin, stem, interval: agent, tags: tags)
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
        /// What all maps of the input have in common: link, tags, pause, limits.
        private let common: ImportedMap
        /// By unit, as it is written, the names of fields that only their measurements tell apart.
        private let namesGivenTwice: [String: Set<String>]
        /// Which byte of a register is a character: lower, upper or both.
        private let textBytes: String

        /// - Parameters:
        ///   - interval: the agent's, for inputs without their own.
        ///   - tags: those of all inputs.
        init(_ plugin: YAMLMapping, _ stem: String, interval: String?, tags: [(name: String, value: String)]) {
            self.plugin = plugin
            name = plugin.text("name") ?? stem
            var common = ImportedMap(name: name, title: name)
            if let written = plugin.text("interval") ?? interval {
                every = Self.milliseconds(written, named: "interval", &common)
            } else {
                // Telegraf's own default.
                every = 10_000
                common.doubt("the file has no interval: 10s is the default of Telegraf")
            }
            Self.link(plugin, &common)
            let own = Self.tags(plugin, "tags")
            common.tags = own + tags.filter { tag in !own.contains { $0.name == tag.name } }
            let workarounds = plugin.child("workarounds")
            let pause = workarounds?.text("pause_between_requests")
            common.take(
                pause: pause.flatMap { Self.milliseconds($0, named: "pause_between_requests", &common) },
                named: "pause_between_requests")
            // An answer of Modbus holds no more.
            for (key, limit, most) in [
                ("max_word_registers_per_request", "registers", 125), ("max_bit_registers_per_request", "bits", 2_000),
            ] {
                guard let written = workarounds?.integer(key), written > 0 else { continue }
                common.limits.append((limit, min(written, most)))
            }
            let location = workarounds?.text("string_register_location") ?? ""
            textBytes = location.isEmpty ? "both" : location
            self.common = common
            let lists = ["discrete_inputs", "coils", "holding_registers", "input_registers"].flatMap(plugin.children)
            let requests = ["request", "metric"].flatMap(plugin.children)
            var fields = [(unit: "", fields: lists)]
            fields += requests.map { ($0.text("slave_id") ?? "", $0.children("fields")) }
            namesGivenTwice = Dictionary(grouping: fields, by: \.unit).mapValues { ofUnit in
                let names = ofUnit.flatMap(\.fields).compactMap { $0.text("name") }
                return Set(Dictionary(grouping: names) { $0 }.filter { $1.count > 1 }.keys)
            }
        }

        static func tags(_ mapping: YAMLMapping, _ key: String) -> [(name: String, value: String)] {
            (mapping.child(key)?.all() ?? []).compactMap { key, value in
                key.scalar.flatMap { name in value.scalar.map { (name, $0) } }
            }
        }

        /// - Parameter unit: as written; Telegraf asks unit 0 where nothing is.
        private func map(_ title: String, unit: Int?) -> ImportedMap {
            var map = common
            (map.title, map.unit) = (title, unit ?? 0)
            if unit == nil { map.doubt("the file has no slave_id: 0 is the default of Telegraf") }
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
                    take(field, of: nil, into: &map) { () throws(NotCarried) in try register(field, table) }
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
            var maps: [ImportedMap] = []
            // By map, the tags that its requests give.
            var given: [[String: String]] = []
            for request in requests {
                let unit = request.integer("slave_id")
                let tags = Self.tags(request, "tags")
                // The same tag with another value is another device behind the same unit.
                let place =
                    maps.indices.first { place in
                        maps[place].unit == unit ?? 0
                            && tags.allSatisfy { given[place][$0.name, default: $0.value] == $0.value }
                    } ?? maps.endIndex
                if place == maps.endIndex {
                    maps.append(map("\(name), unit \(unit ?? 0)", unit: unit))
                    given.append([:])
                }
                var map = maps[place]
                for field in request.children("fields") {
                    if field.flag("omit") {
                        field.dismiss()
                        map.leave(
                            field.text("name") ?? "unnamed, at \(field.text("address") ?? "no address")",
                            "is not sent there (omit = true)")
                        continue
                    }
                    take(field, of: request, into: &map) { () throws(NotCarried) in
                        let register = (ofMetrics ? field : request).text("register") ?? "holding"
                        return try self.field(field, register, request.text("byte_order") ?? "ABCD")
                    }
                }
                // A request's own tag counts before those of the input and of all inputs.
                map.tags.removeAll { tag in tags.contains { $0.name == tag.name } }
                map.tags += tags
                for tag in tags { given[place][tag.name] = tag.value }
                maps[place] = map
            }
            return maps
        }

        private func field(
            _ field: YAMLMapping, _ register: String, _ order: String
        ) throws(NotCarried) -> ImportedPoint {
            guard let table = RegisterTable(rawValue: register) else {
                throw NotCarried("register \(register) is unknown")
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

        /// - Parameter request: has the measurement of fields without their own.
        private func take(
            _ field: YAMLMapping, of request: YAMLMapping?, into map: inout ImportedMap,
            _ make: () throws(NotCarried) -> ImportedPoint
        ) {
            let name = field.text("name") ?? "unnamed"
            do throws(NotCarried) {
                var point = try make()
                point.every = every
                if namesGivenTwice[request?.text("slave_id") ?? ""]?.contains(point.name) ?? false {
                    point.group = field.text("measurement") ?? request?.text("measurement")
                }
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
            default: throw NotCarried("byte_order \"\(written)\" is unknown")
            }
        }

        private static func milliseconds(_ text: String, named what: String, _ map: inout ImportedMap) -> Int? {
            if let milliseconds = milliseconds(text) { return milliseconds == 0 ? nil : milliseconds }
            map.leave(what, "the duration \"\(text)\" is not understood")
            return nil
        }

        /// "10s", "500ms", "1m30s": a duration of Go, of days too, or a number of seconds.
        /// - Returns: nil for a text that is no duration.
        private static func milliseconds(_ text: String) -> Int? {
            if let seconds = Double(text) { return whole(seconds * 1_000) }
            var (rest, total) = (text[...], 0.0)
            if rest.isEmpty { return nil }
            while !rest.isEmpty {
                let digits = rest.prefix { $0.isNumber || $0 == "." }
                rest = rest.dropFirst(digits.count)
                // Longer ones first: "ms" is no minute.
                let units = [
                    ("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("ns", 1e-6), ("s", 1e3), ("m", 6e4), ("h", 3.6e6),
                    ("d", 8.64e7),
                ]
                guard let number = Double(digits), let (unit, factor) = units.first(where: { rest.hasPrefix($0.0) })
                else { return nil }
                rest = rest.dropFirst(unit.count)
                total += number * factor
            }
            return whole(total)
        }

        private static func whole(_ milliseconds: Double) -> Int? {
            guard milliseconds >= 0, milliseconds < 1e10 else { return nil }
            return milliseconds == 0 ? 0 : max(1, Int(milliseconds.rounded()))
        }

        private static func link(_ plugin: YAMLMapping, _ map: inout ImportedMap) {
            guard let controller = plugin.text("controller") else { return }
            let mode = plugin.text("transmission_mode") ?? ""
            let timeout = plugin.text("timeout").flatMap { milliseconds($0, named: "timeout", &map) }
            if controller.contains("$") { map.doubt("\(controller) is filled in by Telegraf: write it out") }
            guard !mode.uppercased().hasPrefix("ASCII") else {
                return map.leave("controller", "Modbus ASCII is not supported: \(controller)")
            }
            if controller.hasPrefix("tcp://") {
                guard ["", "auto", "TCP", "RTUoverTCP"].contains(mode) else {
                    return map.leave("controller", "transmission_mode \(mode) is not known here: \(controller)")
                }
                let address = String(controller.dropFirst(6))
                map.link = ImportedLink.tcp(address, isRTU: mode == "RTUoverTCP", timeout: timeout)
                return
            }
            guard controller.hasPrefix("file://") else {
                return map.leave("controller", "\(controller) is neither TCP nor a serial line of Linux")
            }
            let (baud, parity) = (plugin.integer("baud_rate") ?? 0, plugin.text("parity") ?? "")
            // Telegraf leaves what is not given to its library (grid-x/serial).
            if baud == 0 { map.doubt("the file has no baud_rate: 19200 is the default of Telegraf") }
            if parity.isEmpty { map.doubt("the file has no parity: even is the default of Telegraf") }
            map.link = ImportedLink.serial(
                String(controller.dropFirst(7)), baud: baud == 0 ? 19_200 : baud, parity: parity.isEmpty ? "E" : parity,
                dataBits: plugin.integer("data_bits").flatMap { $0 == 0 ? nil : $0 },
                stopBits: plugin.integer("stop_bits").flatMap { $0 == 0 ? nil : $0 }, timeout: timeout)
        }
    }
}
