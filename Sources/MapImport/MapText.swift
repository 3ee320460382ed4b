// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import YAMLText

/// An imported map as the text of its file. Points that a map cannot have stand in it as comments, with the reason.
public enum MapText {
    /// - Returns: the text, which `headgate check` finds nothing wrong with, and the map with what is left in it now.
    public static func text(of map: ImportedMap) -> (text: String, map: ImportedMap) {
        var map = map
        // Each turn takes out what stands in the way; in the end nothing does, or nothing is left.
        while true {
            let (lines, firstPoint) = lines(of: map)
            let text = lines.joined(separator: "\n") + "\n"
            let problems = Problems()
            _ = DeviceMapFile.read(text, name: map.name, file: map.name, problems: problems)
            let wrong = Dictionary(
                problems.sorted.map { ($0.line - firstPoint, $0.message) }, uniquingKeysWith: { first, _ in first })
            let ofPoints = wrong.filter { map.points.indices.contains($0.key) }
            if ofPoints.isEmpty {
                // A map without points needs no further remark.
                let others = map.points.isEmpty ? [:] : wrong
                for message in others.values.sorted() { map.doubt(message) }
                return (others.isEmpty ? text : self.lines(of: map).lines.joined(separator: "\n") + "\n", map)
            }
            for (place, message) in ofPoints.sorted(by: { $0.key > $1.key }) {
                // What may be written is less than the point.
                let isWritten = map.points[place].writable != nil || map.points[place].isWritable
                if isWritten, message.contains(".writable") {
                    map.points[place].writable = nil
                    map.points[place].isWritable = false
                    map.points[place].add(doubt: "not marked as writable: \(message)")
                    continue
                }
                map.leave(map.points.remove(at: place).name, message)
            }
        }
    }

    private static func lines(of map: ImportedMap) -> (lines: [String], firstPoint: Int) {
        var lines = ["# yaml-language-server: $schema=../deploy/schemas/device-map.json"]
        if let link = map.link {
            lines += [
                "# In headgate.yaml:", "#   links:   { \(map.linkName): \(link.printable) }",
                "#   devices: { \(map.name): { map: \(map.name), link: \(map.linkName), unit_id: \(map.unit ?? 1)\(tags(of: map)) } }",
            ]
        } else if let unit = map.unit {
            lines.append("# In headgate.yaml, at the device: unit_id: \(unit)\(tags(of: map))")
        } else if !map.tags.isEmpty {
            lines.append("# In headgate.yaml, at the device:\(tags(of: map).dropFirst())")
        }
        lines += [
            "map: \(map.name)", "version: 1", "title: \(quoted(map.title))", "source: \(quoted(map.source))", "",
        ]
        lines += map.doubts.map { "# To check: \($0.printable)" }
        // What belongs together is read together, its scale factors included.
        let limit =
            [
                map.points.contains { $0.scaleFactor != nil } ? "gap: 24" : nil,
                map.pause.map { "turnaround_delay: \($0)ms" },
            ].compactMap(\.self) + map.limits.map { "\($0.key): \($0.most)" }
        let limits = limit.isEmpty ? "" : ", limits: { \(limit.joined(separator: ", ")) }"
        lines += ["modbus: { addressing: zero-based\(limits) }", ""]
        lines += map.left.map { "# Left out: \($0.what): \($0.why)".printable }
        guard !map.points.isEmpty else { return (lines + ["points: {}"], lines.count + 2) }
        lines.append("points:")
        let firstPoint = lines.count + 1
        let width = map.points.map(\.name.utf8.count).max() ?? 0
        for point in map.points {
            let gap = String(repeating: " ", count: width - point.name.utf8.count)
            let doubt = point.doubt.map { "    # \($0.printable)" } ?? ""
            lines.append("  \(point.name): \(gap){ \(keys(of: point).joined(separator: ", ")) }\(doubt)")
        }
        lines += [
            "", "# Check the map with a real device: headgate read DEVICE --raw",
            "examples: [{ registers: {}, expect: {} }]",
        ]
        return (lines, firstPoint)
    }

    private static func tags(of map: ImportedMap) -> String {
        guard !map.tags.isEmpty else { return "" }
        return ", tags: { \(map.tags.map { "\(quoted($0.name)): \(quoted($0.value))" }.joined(separator: ", ")) }"
    }

    private static func keys(of point: ImportedPoint) -> [String] {
        var keys = ["table: \(point.table.rawValue)", "address: \(point.address)"]
        if !point.table.holdsBits { keys.append("type: \(point.type.rawValue)") }
        if point.order != .ABCD, point.type != .string { keys.append("order: \(point.order.rawValue)") }
        if let bits = point.bits {
            keys.append(bits.count == 1 ? "bit: \(bits.lowerBound)" : "bits: [\(bits.lowerBound), \(bits.upperBound)]")
        }
        if let length = point.length { keys.append("length: \(length)") }
        if let order = point.textOrder { keys.append("order: \(order)") }
        if point.scale != 1 { keys.append("scale: \(point.scale.plain)") }
        if point.offset != 0 { keys.append("offset: \(point.offset.plain)") }
        if let factor = point.scaleFactor { keys.append("scale_factor: \(factor)") }
        if !point.absent.isEmpty { keys.append("absent: [\(point.absent.joined(separator: ", "))]") }
        if !point.labels.isEmpty {
            let labels = point.labels.sorted { $0.key < $1.key }.map { "\($0.key): \(quoted($0.value))" }
            keys.append("labels: { \(labels.joined(separator: ", ")) }")
        }
        if !point.unit.isEmpty { keys.append("unit: \(quoted(point.unit))") }
        if point.isCounter { keys.append("kind: counter") }
        if let every = point.every { keys.append("every: \(every % 1_000 == 0 ? "\(every / 1_000)s" : "\(every)ms")") }
        if let range = point.writable {
            keys.append("writable: { range: [\(range.lowerBound.plain), \(range.upperBound.plain)] }")
        } else if point.isWritable {
            keys.append("writable: {}")
        }
        return keys
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.printable.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
    }
}

extension String {
    /// On one line, with nothing that YAML does not allow (1.2.2, 5.1).
    fileprivate var printable: String {
        let scalars = unicodeScalars.map { scalar in
            switch scalar.value {
            case 0x20...0x7E, 0xA0...0x2027, 0x202A...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x10000...: scalar
            default: Unicode.Scalar(UInt8(ascii: " "))
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
