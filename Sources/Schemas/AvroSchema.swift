// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// The Avro records of events (Avro 1.11, "Schema Declaration"), as `EventAvro` writes them: field by field in its order.
public enum AvroSchema {
    /// Of the types in records: a map may have any name.
    private static let innerSpace = "headgate.types"

    // MARK: Records

    /// The record of a map's telemetry: a typed field a point.
    public static func telemetry(of map: DeviceMap, fields: [PointField]) -> JSONDocument {
        let name = EventAvro.name(map.name)
        let points = Dictionary(map.points.map { ($0.name, $0) }, uniquingKeysWith: { one, _ in one })
        let fields = fields.map { field($0, points[$0.point]) }
        let record: JSONDocument = [
            "type": "record", "name": .string(name + "_points"),
            "doc": "The good values of the points; null if a point has no good value at this time: see `readings`.",
            "fields": .array(fields),
        ]
        return self.record(
            name, in: "headgate.telemetry", "\(map.title), version \(map.version) of its map. \(map.source)",
            subject(isOfDevice: true) + [field("points", record, ""), field("readings", array(reading), readingsDoc)])
    }

    /// One of the gateway's own records.
    public static func own(_ kind: EventKind) -> JSONDocument {
        let isOfDevice = kind == .telemetry
        return record(
            kind.name, in: "headgate.events", doc(of: kind), subject(isOfDevice: isOfDevice) + fields(of: kind))
    }

    private static func record(
        _ name: String, in space: String, _ doc: String, _ fields: [JSONDocument]
    ) -> JSONDocument {
        [
            "type": "record", "name": .string(name), "namespace": .string(space), "doc": .string(doc),
            "fields": .array(fields),
        ]
    }

    private static func doc(of kind: EventKind) -> String {
        switch kind {
        case .telemetry: "Readings of a device without a record of its own."
        case .status: "A device appears, goes offline or comes back."
        case .gap: "Lost events: their outputs, their number and the cause."
        case .write: "An attempt to write a point."
        case .alarm: "An alarm begins, goes on or ends."
        case .aggregate: "What readings amount to over a window."
        }
    }

    private static func fields(of kind: EventKind) -> [JSONDocument] {
        switch kind {
        case .telemetry: [field("readings", array(reading), "All that was read.")]
        case .status:
            [
                field("state", enumeration("state", ["online", "offline"]), ""),
                field("since", time, "When it was first seen so."), optional("reason", "string", "Why."),
                optional("code", "string", "The code of the reason, for headgate explain."),
            ]
        case .gap:
            [
                field("cause", "string", "max_size, max_age, overload, disk_full …"),
                optional("code", "string", "The code of the cause, for headgate explain."),
                field("lane", "string", "critical, normal or bulk."),
                field("first", "long", "The first event lost, by sequence; 0 where none had a number yet."),
                field("last", "long", "The last."), field("count", "long", "How many."),
                field("since", time, "Of when the first was."), field("until", time, "Of when the last was."),
                field(
                    "outputs", ["type": "array", "items": "string"],
                    "The outputs that had not sent them; empty if all outputs lost them."),
            ]
        case .write:
            [
                field("write", "string", "The same in all events of an attempt."),
                field("point", "string", "The requested point."),
                optional("unit", "string", "UCUM; null where the point has none, or there is no such point."),
                field("value", "string", "As JSON."),
                field("phase", enumeration("phase", ["accepted", "done", "refused", "failed"]), ""),
                optional("reason", "string", "Why the write was refused or has failed."),
                optional("code", "string", "The code of the reason, for headgate explain."),
                optional("found", "string", "What was read back, as JSON."),
                field("by", "string", "The user or the link that requested the write."),
                field("deadline", time, "The latest time at which the write may begin."),
            ]
        case .alarm:
            [
                field("alarm", "string", "The same in all events of an alarm."), field("rule", "string", ""),
                field("phase", enumeration("phase", ["start", "continue", "end"]), ""),
                field("priority", enumeration("priority", ["high", "medium", "low"]), "IEC 60601-1-8."),
                field("since", time, "When it began."), optional("reason", "string", "Why it is sent again."),
                optional("code", "string", "The code of the reason, for headgate explain."),
                optional("text", "string", "For people."),
                list("evidence", of: evidence, "How points are beside what they were like before."),
                field("readings", array(reading), "What caused it."),
            ]
        case .aggregate:
            [
                field("window", "string", "The window's name."), field("from", time, "Its beginning."),
                field("to", time, "Its end, which is not of it."),
                field("partial", "boolean", "It was not watched from its beginning, or not until its end."),
                field("points", array(figures), "Those that had readings."),
            ]
        }
    }

    // MARK: What all records have

    private static func subject(isOfDevice: Bool) -> [JSONDocument] {
        let id = "The same however often the event is sent: gateway/epoch/lane/sequence."
        let device: [JSONDocument] =
            isOfDevice
            ? [
                field("device", "string", ""), field("map", "string", "What the device is."),
                field("map_version", "int", ""),
            ]
            : [
                optional("device", "string", "null for the gateway itself."),
                optional("map", "string", "What the device is."), optional("map_version", "int", ""),
            ]
        let head = [field("id", "string", id), field("gateway", "string", "")] + device
        return head + [
            field("tags", ["type": "map", "values": "string"], ""),
            field("time", time, "When the values were sampled."),
            field("replayed", "boolean", "Sent more than 10 s after it was committed."),
            field("time_uncertainty_us", "long", "The possible error of the times in microseconds; 0 if unknown."),
            field(
                "clock", enumeration("clock", ClockState.allCases.map { "\($0.name)" }, default: "unsynchronised"),
                "Whether the gateway's clock was to be trusted."),
            field("redelivered", "boolean", "A broker sent the message again."),
            // With a default, as earlier versions of the schema do not have it.
            field(
                "device_time_refused", "boolean",
                "The device gave an unreadable or impossible time: this is the time of arrival.",
                default: .boolean(false)),
            optional(
                "provenance", provenance,
                "The registers from which the readings were computed, if `provenance` is configured."),
        ]
    }

    private static let provenance: JSONDocument = [
        "type": "record", "name": "provenance", "namespace": .string(innerSpace),
        "fields": [
            field("map_hash", "string", "SHA-256 of the map's file."),
            field(
                "raw",
                array([
                    "type": "record", "name": "span", "namespace": .string(innerSpace),
                    "fields": [
                        field("table", "string", ""), field("address", "int", "Counted from zero."),
                        field("words", ["type": "array", "items": "int"], ""),
                    ],
                ]), "Registers or bits, as they went over the wire."),
        ],
    ]

    private static let readingsDoc = """
        What no field of `points` holds: what is not good, or of another time than the event, or said twice, or of another \
        type or unit than the field's, as of an earlier version of the map.
        """

    private static let reading: JSONDocument = [
        "type": "record", "name": "reading", "namespace": .string(innerSpace),
        "fields": [
            field("point", "string", ""), optional("unit", "string", "UCUM."),
            field("value", value, "null if there is no value."),
            // What a reader does not know yet is not to be trusted.
            field("quality", enumeration("quality", Quality.allCases.map { "\($0.name)" }, default: "bad"), ""),
            optional("reason", "string", "Why the quality is not good."),
            optional("time", time, "Where it is not the event's."),
            optional("device", "string", "Where it is not the event's."),
        ],
    ]

    private static let evidence: JSONDocument = [
        "type": "record", "name": "evidence", "namespace": .string(innerSpace),
        "fields": [
            field("point", "string", ""), optional("unit", "string", "UCUM, of mean and deviation."),
            field("detector", "string", "cusum or ewma."), field("score", "double", "1 at the limit."),
            field("mean", "double", "While all was well."), field("deviation", "double", ""),
            field("readings", "long", "What they were learnt from."),
        ],
    ]

    private static let figures: JSONDocument = [
        "type": "record", "name": "figures", "namespace": .string(innerSpace),
        "fields": [
            field("point", "string", ""), optional("unit", "string", "UCUM."),
            field(
                "figures", ["type": "map", "values": value], "count, min, max, mean, p95 …; null if there is no value."),
        ],
    ]

    // MARK: Types

    /// A whole number above what a `long` can hold is a decimal: exact to the last digit.
    private static let value: JSONDocument = [
        "null", "boolean", "long", "float", "double", "string",
        ["type": "bytes", "logicalType": "decimal", "precision": .integer(20), "scale": .integer(0)],
    ]
    private static let time: JSONDocument = ["type": "long", "logicalType": "timestamp-micros"]

    private static func array(_ items: JSONDocument) -> JSONDocument { ["type": "array", "items": items] }

    private static func enumeration(
        _ name: String, _ symbols: [String], default usual: String? = nil
    ) -> JSONDocument {
        var type: JSONDocument = [
            "type": "enum", "name": .string(name), "namespace": .string(innerSpace),
            "symbols": .array(symbols.map(JSONDocument.string)),
        ]
        if let usual { type.set("default", .string(usual)) }
        return type
    }

    private static func field(
        _ name: String, _ type: JSONDocument, _ doc: String, default value: JSONDocument? = nil
    ) -> JSONDocument {
        var field: JSONDocument = ["name": .string(name), "type": type]
        if let value { field.set("default", value) }
        if !doc.isEmpty { field.set("doc", .string(doc)) }
        return field
    }

    /// Empty where it is not written.
    private static func list(_ name: String, of items: JSONDocument, _ doc: String) -> JSONDocument {
        var field = self.field(name, array(items), doc)
        field.set("default", .array([]))
        return field
    }

    private static func optional(_ name: String, _ type: JSONDocument, _ doc: String) -> JSONDocument {
        var field = self.field(name, ["null", type], doc)
        field.set("default", .null)
        return field
    }

    private static func field(_ own: PointField, _ point: Point?) -> JSONDocument {
        let doc = point.map { PointText(own, $0).doc } ?? ""
        var field = optional(EventAvro.name(own.point), .string(own.form.avro), doc)
        // The specification lets a schema carry what it does not know.
        if !own.unit.isEmpty { field.set("unit", .string(own.unit)) }
        return field
    }
}

extension PointField.Form {
    fileprivate var avro: String {
        switch self {
        case .boolean: "boolean"
        // No map has unsigned fields.
        case .integer, .unsigned: "long"
        case .single: "float"
        case .number: "double"
        case .text: "string"
        }
    }
}

/// A point in words.
struct PointText {
    let doc: String

    init(_ field: PointField, _ point: Point) {
        var parts: [String] = []
        if !field.unit.isEmpty { parts.append(field.unit) }
        if point.kind == .counter { parts.append("counts up") }
        if let range = point.range, field.unit == point.unit {
            parts.append("from \(range.lowerBound) to \(range.upperBound)")
        }
        if !point.conversion.labels.isEmpty {
            parts.append("one of \(Set(point.conversion.labels.values).sorted().joined(separator: ", "))")
        }
        if let derived = point.derived { parts.append("= \(derived.text)") }
        doc = parts.joined(separator: "; ")
    }
}
