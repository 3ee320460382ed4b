// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A map as people read it: a page of Markdown with a table of its points.
public enum MapDocument {
    public static func markdown(_ map: DeviceMap) -> String {
        let rows = map.points.map(row)
        let columns = head.indices.filter { column in rows.contains { !$0[column].isEmpty } }
        let lines =
            [columns.map { head[$0] }, columns.map { _ in "---" }] + rows.map { row in columns.map { row[$0] } }
        let table = lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
        return """
            # \(map.title)

            `\(map.name)`, version \(map.version). \(way(map.form))

            Source: \(map.source)

            \(table)

            """
    }

    private static let head = ["point", "place", "type", "unit", "value", "range", "sent", "every", "lane", "writable"]

    private static func row(_ point: Point) -> [String] {
        let (place, type, every) = source(point.source)
        return [
            "`\(point.name)`", place, type,
            code(point.unit) + (point.report.map { ", sent in \(code($0.unit))" } ?? ""), meaning(point.conversion),
            point.range.map { "\($0.lowerBound.plain) to \($0.upperBound.plain)" } ?? "", sending(point), every,
            point.lane == .normal ? "" : point.lane.name, point.writable.map(writing) ?? "",
        ]
    }

    private static func writing(_ writable: Writable) -> String {
        writable.range.map { "\($0.lowerBound.plain) to \($0.upperBound.plain)" } ?? "yes"
    }

    private static func way(_ form: DeviceMap.Form) -> String {
        switch form {
        case .modbus(let limits):
            let pause = limits.pause > 0 ? ", \(duration(limits.pause)) turnaround delay before each request" : ""
            return
                "Modbus: at most \(limits.registers) registers in a response, gaps of up to \(limits.gap) registers are read\(pause)."
        case .mqtt(let form):
            var parts = ["MQTT"]
            if let items = form.items { parts.append("a list at `\(items)`") }
            if case .after(let silence) = form.silence { parts.append("offline after \(duration(silence)) of silence") }
            return parts.joined(separator: ", ") + "."
        case .sunSpec: return "Modbus: the SunSpec models of the device describe its points."
        case .sparkplug: return "Sparkplug B: the births of the edge node describe its metrics."
        case .computed: return "Computed from the points of other devices."
        }
    }

    private static func source(_ source: Point.Source) -> (place: String, type: String, every: String) {
        switch source {
        case .register(let register):
            let address = register.address
            let factor = register.scaleFactor.map { " × 10^(\($0))" } ?? ""
            return (
                "\(register.table.rawValue) \(address) (0x\(String(address, radix: 16, uppercase: true)))\(factor)",
                register.table.holdsBits ? "bool" : type(register.layout), duration(register.every)
            )
        case .derived(let derived): return (code(derived.text), derived.program.isBoolean ? "bool" : "float64", "")
        case .message(let message):
            let topic = message.topic.isEmpty ? "" : code(message.topic)
            let (place, type) = payload(message.payload)
            return ([topic, place].filter { !$0.isEmpty }.joined(separator: " "), type, "")
        }
    }

    private static func payload(_ payload: MessageSource.Payload) -> (place: String, type: String) {
        switch payload {
        case .json(let path, let type): (code(path.description), word(type))
        case .number: ("the payload", "number")
        case .text: ("the payload", "text")
        case .registers(let address, let layout, _): ("word \(address) of the payload", type(layout))
        case .samples(let path, let figure): ("\(figure.description) of \(code(path.description))", "float64")
        case .rawSamples(let address, let layout, _, let figure):
            ("\(figure.description) of \(type(layout)) from word \(address) of the payload", "float64")
        }
    }

    private static func word(_ type: MessageSource.JSONType) -> String {
        switch type {
        case .number: "float64"
        case .integer: "int64"
        case .boolean: "bool"
        case .string: "string"
        case .measured, .any: ""
        }
    }

    private static func type(_ layout: RegisterLayout) -> String {
        var text = layout.type.rawValue
        if layout.registers > 1, layout.type != .string { text += " \(layout.order.rawValue)" }
        if layout.type == .string {
            text += " of \(layout.length) registers"
            switch layout.text?.order {
            case .asSent, nil: break
            case .swapped: text += ", bytes swapped"
            case .high: text += ", one character in each, in the upper byte"
            case .low: text += ", one character in each, in the lower byte"
            }
        }
        if let bits = layout.bits {
            text += bits.count == 1 ? ", bit \(bits.lowerBound)" : ", bits \(bits.lowerBound) to \(bits.upperBound)"
        }
        return text
    }

    /// What a raw value means.
    private static func meaning(_ conversion: Conversion) -> String {
        if !conversion.labels.isEmpty {
            return conversion.labels.sorted { $0.key < $1.key }.map { "\($0.key) \(cell($0.value))" }
                .joined(separator: ", ")
        }
        if !conversion.values.isEmpty { return conversion.values.keys.sorted().map(code).joined(separator: ", ") }
        guard conversion.scales else { return "" }
        let (scale, offset) = (conversion.scaling.scale, conversion.scaling.offset)
        let scaled = scale == 1 ? "raw" : "raw × \(scale.plain)"
        if offset == 0 { return scaled }
        return scaled + (offset < 0 ? " − \((-offset).plain)" : " + \(offset.plain)")
    }

    /// When a reading is news.
    private static func sending(_ point: Point) -> String {
        let filters = point.filters
        let moves: String? =
            switch filters.deadband {
            case .absolute(0), .relative(0): "changes"
            case .absolute(let amount): "changes of \(amount.plain)"
            case .relative(let share): "changes of \((share * 100).plain) %"
            case nil: filters.swing.map { "lines within \($0.plain)" }
            }
        return [
            moves, filters.atLeast.map { "at least every \(duration($0))" },
            filters.atMost.map { "at most every \(duration($0))" },
            filters.spike.map { $0.isKept ? "spikes as uncertain" : "no spikes" },
            filters.stuck.map { "uncertain after \(duration($0)) without a change" },
            filters.dropsDuplicates ? "no duplicates" : nil,
        ].compactMap(\.self).joined(separator: ", ")
    }

    // MARK: Words

    private static func duration(_ microseconds: Int64) -> String {
        for (unit, size) in [("h", Int64(3_600_000_000)), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000)] {
            if microseconds.isMultiple(of: size) { return "\(microseconds / size) \(unit)" }
        }
        return "\(microseconds) us"
    }

    private static func code(_ text: String) -> String { text.isEmpty ? "" : "`\(cell(text))`" }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}

extension Double {
    /// Without the fraction where it has none.
    public var plain: String { self == rounded() && abs(self) < 1e15 ? "\(Int64(self))" : "\(self)" }
}
