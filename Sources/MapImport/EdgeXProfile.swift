// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// Device profiles of EdgeX Foundry's device-modbus (github.com/edgexfoundry/device-modbus-go, and the Java service
/// before it). A profile does not say of which version it is: where its values stand tells.
enum EdgeXProfile {
    /// Up to Hanoi addresses counted from one, from Ireland (2.0) on from zero (its CHANGELOG); the Java service sent
    /// them as they are.
    private enum Dialect { case java, one, two }

    static func map(_ root: YAMLMapping, _ stem: String) -> ImportedMap {
        let name = root.text("name") ?? stem
        let maker = [root.text("manufacturer"), root.text("model")].compactMap(\.self).joined(separator: " ")
        var map = ImportedMap(name: name, title: maker.isEmpty ? name : maker)
        let labels = labels(root)
        map.doubt("link, unit and interval are in the file of the devices (protocols, autoEvents), not in a profile")
        for resource in root.children("deviceResources") {
            let name = resource.text("name") ?? "unnamed"
            do throws(NotCarried) {
                var point = try point(named: name, resource, &map)
                if let texts = labels[name] ?? nil, point.scale == 1, point.offset == 0 {
                    point.labels = texts
                    // What may be written is in the labels.
                    point.isWritable = point.writable != nil
                    point.writable = nil
                } else if labels[name] != nil {
                    map.leave("mappings of \(name)", ImportedPoint.noTexts)
                }
                map.points.append(point)
            } catch {
                resource.dismiss()
                map.leave(name, error.why)
            }
        }
        return map
    }

    private static func point(
        named name: String, _ resource: YAMLMapping, _ map: inout ImportedMap
    ) throws(NotCarried) -> ImportedPoint {
        guard let attributes = resource.child("attributes"), let properties = resource.child("properties") else {
            throw NotCarried("has no attributes or properties")
        }
        let isFlat = properties.text("valueType") != nil
        let java = attributes.text("HoldingRegister")
        let dialect: Dialect = java != nil ? .java : isFlat ? .two : .one
        guard let values = isFlat ? properties : properties.child("value") else { throw NotCarried("has no value") }
        let mode = (values.text("readWrite") ?? "R").uppercased()
        guard mode.contains("R") else { throw NotCarried("is write-only there") }
        let table = java != nil ? RegisterTable.holding : try self.table(attributes)
        let place = attributes.take("startingAddress") ?? attributes.take("StartingAddress")
        let written = java ?? place?.scalar ?? ""
        var (address, bit) = try Self.address(written, isText: place?.isQuoted ?? false)
        // As the service of IOTech has it.
        bit = bit ?? attributes.integer("boolIndex")
        if dialect == .one {
            map.doubt("addresses are assumed to be one-based, as before EdgeX 2.0: the address on the wire is one less")
            address -= 1
        }
        guard address >= 0 else { throw NotCarried("address \(written) is before the first") }
        let type = (isFlat ? values.text("valueType") : values.text("type")) ?? ""
        var point = ImportedPoint(name, table, address, .uint16)
        if table.holdsBits {
            point.isWritable = mode.contains("W") && table == .coil
        } else if java == nil {
            try layout(&point, type.lowercased(), attributes, bit: bit)
        }
        try scale(&point, values, isInteger: !type.lowercased().hasPrefix("float"))
        if let scale = attributes.text("scale") {
            point.add(
                doubt: "scale \(scale) among the attributes, which IOTech's service takes and EdgeX's own does not")
            map.doubt(
                "scales among the attributes are not taken: EdgeX's own service ignores them, IOTech's takes them")
        }
        // In the layouts before 2.0 they say of themselves that they are texts that are read.
        for key in ["type", "readWrite"] { _ = properties.child("units")?.text(key) }
        for key in ["type", "size"] { _ = values.text(key) }
        let units = properties.child("units")?.text("defaultValue") ?? properties.text("units")
        if let units { point.take(unit: units) }
        if mode.contains("W"), table == .holding, let low = values.number("minimum"),
            let high = values.number("maximum"),
            low < high
        {
            point.writable = low...high
        }
        if mode.contains("W"), point.writable == nil, !point.isWritable {
            point.doubtWritable()
        }
        return point
    }

    private static func table(_ attributes: YAMLMapping) throws(NotCarried) -> RegisterTable {
        let written = attributes.text("primaryTable") ?? attributes.text("PrimaryTable") ?? ""
        switch written.uppercased().filter({ $0 != "_" }) {
        case "HOLDINGREGISTERS", "HOLDINGREGISTER": return .holding
        case "INPUTREGISTERS", "INPUTREGISTER": return .input
        case "COILS", "COIL": return .coil
        case "DISCRETESINPUT", "DISCRETEINPUTS": return .discrete
        default: throw NotCarried("primaryTable \"\(written)\" is not known")
        }
    }

    /// A part behind the point is a bit; EdgeX writes a number with two digits there, and takes a text as it is.
    private static func address(_ written: String, isText: Bool) throws(NotCarried) -> (address: Int, bit: Int?) {
        let parts = written.split(separator: ".")
        guard let first = parts.first, let address = Int(first), (0...65_536).contains(address), parts.count <= 2 else {
            throw NotCarried("startingAddress \"\(written)\" is not an address")
        }
        guard parts.count == 2 else { return (address, nil) }
        guard let bit = Int(parts[1].count == 1 && !isText ? parts[1] + "0" : parts[1]), bit < 16 else {
            throw NotCarried("the bit of \"\(written)\" is not valid")
        }
        return (address, bit)
    }

    private static func layout(
        _ point: inout ImportedPoint, _ valueType: String, _ attributes: YAMLMapping, bit: Int?
    ) throws(NotCarried) {
        let raw = (attributes.text("rawType") ?? attributes.text("RawType"))?.lowercased() ?? valueType
        let types: [String: RegisterType] = [
            "int16": .int16, "uint16": .uint16, "int32": .int32, "uint32": .uint32, "int64": .int64, "uint64": .uint64,
            "float32": .float32, "float64": .float64, "string": .string, "bool": .uint16,
        ]
        guard let type = types[raw] else { throw NotCarried("values of type \(raw) are not known here") }
        point.type = type
        if valueType == "bool" {
            point.bits = (bit ?? 0)...(bit ?? 0)
        } else if type == .string {
            let length = ["stringRegisterSize", "stringLength", "wordLength"].compactMap(attributes.integer).first
            guard let length, (1...125).contains(length) else { throw NotCarried("has no length") }
            point.length = length
        }
        // 16 and 64 bits are not swapped, whatever these say.
        guard type.registers == 2 else { return }
        let swapsBytes = attributes.flag("isByteSwap") || attributes.flag("IsByteSwap")
        let swapsWords = attributes.flag("isWordSwap") || attributes.flag("IsWordSwap")
        point.order = swapsBytes ? (swapsWords ? .DCBA : .BADC) : (swapsWords ? .CDAB : .ABCD)
    }

    private static func scale(
        _ point: inout ImportedPoint, _ values: YAMLMapping, isInteger: Bool
    ) throws(NotCarried) {
        if let base = values.number("base"), base != 0 {
            throw NotCarried("is \(base.plain) to the power of what is read")
        }
        if let mask = values.integer("mask"), mask > 0 {
            // Contiguous bits, moved down to the least significant one.
            let low = mask.trailingZeroBitCount
            let width = (mask >> low).trailingOneBits
            guard (mask >> low) >> width == 0, values.integer("shift") ?? 0 == -low, low + width <= 64 else {
                throw NotCarried("mask \(mask) with its shift is no field of bits")
            }
            point.bits = low...(low + width - 1)
        } else if let shift = values.integer("shift"), shift != 0 {
            throw NotCarried("is shifted by \(shift) bits")
        }
        guard point.type != .string, point.bits?.count != 1, !point.table.holdsBits else { return }
        if let scale = values.number("scale"), scale != 0 { point.scale = scale }
        point.offset = values.number("offset") ?? 0
        if isInteger, point.scale != point.scale.rounded() || point.offset != point.offset.rounded() {
            point.doubt = "a whole number in EdgeX, which cuts off the fraction"
        }
    }

    /// By resource: what its commands call its numbers; nil where they name something else.
    private static func labels(_ root: YAMLMapping) -> [String: [Int: String]?] {
        var labels: [String: [Int: String]?] = [:]
        for command in root.children("deviceCommands") {
            // Commands put resources together: each is a point by itself here.
            for key in ["name", "readWrite", "isHidden"] { _ = command.take(key) }
            for operation in command.children("resourceOperations") + command.children("get") {
                guard let resource = operation.text("deviceResource") ?? operation.text("object"),
                    let mappings = operation.child("mappings")
                else { continue }
                if mappings.count > 0 { labels.updateValue(mappings.textsOfNumbers, forKey: resource) }
            }
        }
        return labels
    }
}

/// Why one point does not come along.
struct NotCarried: Error {
    let why: String

    init(_ why: String) {
        self.why = why
    }
}

extension Int {
    fileprivate var trailingOneBits: Int { (~self).trailingZeroBitCount }
}
