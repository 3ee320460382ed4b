// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// The JSON Schema (draft 2020-12) of what a map's telemetry has in `data`: a typed reading for each point.
public enum EventJSONSchema {
    private static let time: JSONDocument = ["type": "string", "format": "date-time"]

    public static func telemetry(
        of map: DeviceMap, fields: [PointField], units: [String: UnitChange] = [:]
    ) -> JSONDocument {
        let fields = Dictionary(fields.map { ($0.point, $0) }, uniquingKeysWith: { one, _ in one })
        let readings = map.points.map { reading($0, fields[$0.name], units) }
        return [
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": .string(EventAvro.record(of: .telemetry, map: map.name)),
            "description": .string("\(map.title), version \(map.version) of its map. \(map.source)"),
            "type": "object",
            "required": ["gateway", "device", "map", "map_version", "readings"],
            "properties": [
                "gateway": ["type": "string"], "device": ["type": "string"],
                "map": ["const": .string(map.name)],
                // Events of an earlier version may still wait: their points are what that version said.
                "map_version": ["const": .integer(Int64(map.version))],
                "tags": ["type": "object", "additionalProperties": ["type": "string"]],
                "replayed": ["const": .boolean(true)],
                "time_uncertainty_us": ["type": "integer", "minimum": .integer(1)],
                "clock": ["enum": .array(ClockState.allCases.filter { $0 != .good }.map { .string("\($0.name)") })],
                "redelivered": ["const": .boolean(true)], "device_time": ["const": "refused"],
                "map_hash": ["type": "string"], "raw": ["type": "array"],
                "readings": ["type": "array", "minItems": .integer(1), "items": ["oneOf": .array(readings)]],
            ],
            "additionalProperties": .boolean(false),
        ]
    }

    private static func reading(
        _ point: Point, _ field: PointField?, _ units: [String: UnitChange]
    ) -> JSONDocument {
        let unit = units[point.sentUnit]?.unit ?? point.sentUnit
        var properties: JSONDocument = ["point": ["const": .string(point.name)]]
        if !unit.isEmpty { properties.set("unit", ["const": .string(unit)]) }
        properties.set("value", ["type": ["number", "string", "boolean", "null"]])
        properties.set("quality", ["enum": .array(Quality.allCases.map { .string("\($0.name)") })])
        properties.set("reason", ["type": "string"])
        properties.set("time", time)
        var reading: JSONDocument = ["type": "object"]
        let doc = field.map { PointText($0, point).doc } ?? ""
        if !doc.isEmpty { reading.set("description", .string(doc)) }
        reading.set("required", .array((unit.isEmpty ? [] : ["unit"]) + ["point", "value", "quality"]))
        reading.set("properties", properties)
        reading.set("additionalProperties", .boolean(false))
        reading.set("if", ["properties": ["quality": ["const": "good"]]])
        reading.set("then", ["properties": ["value": good(point, field, isConverted: unit != point.unit)]])
        return reading
    }

    /// What a good value is.
    private static func good(_ point: Point, _ field: PointField?, isConverted: Bool) -> JSONDocument {
        guard let field else { return ["type": ["number", "string", "boolean"]] }
        if !point.conversion.labels.isEmpty, !field.isTreated {
            return ["enum": .array(Set(point.conversion.labels.values).sorted().map(JSONDocument.string))]
        }
        var value: JSONDocument = ["type": .string(field.form.json)]
        if let range = point.range, !isConverted, !field.isTreated {
            value.set("minimum", .number(range.lowerBound))
            value.set("maximum", .number(range.upperBound))
        }
        return value
    }
}

extension PointField.Form {
    fileprivate var json: String {
        switch self {
        case .boolean: "boolean"
        case .integer, .unsigned: "integer"
        case .single, .number: "number"
        case .text: "string"
        }
    }
}

extension EventJSONSchema {
    /// The JSON Schema of whole events of a kind, as `deploy/schemas` has it.
    public static func envelope(of kind: EventKind) -> JSONDocument {
        let bytes =
            switch kind {
            case .telemetry: PackageResources.headgate_telemetry_v1_json
            case .status: PackageResources.headgate_status_v1_json
            case .gap: PackageResources.headgate_gap_v1_json
            case .write: PackageResources.headgate_write_v1_json
            case .alarm: PackageResources.headgate_alarm_v1_json
            case .aggregate: PackageResources.headgate_aggregate_v1_json
            }
        return JSONDocument(bytes) ?? .null
    }
}
