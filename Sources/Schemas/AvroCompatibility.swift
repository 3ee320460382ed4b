// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What keeps a consumer with one schema from reading what was written by another (Avro 1.11, "Schema Resolution"). Beside
/// that a field that is told in another unit: it would be read, and be wrong.
public struct AvroCompatibility {
    public struct Breach: Equatable, Sendable {
        /// Field by field from the record on: `points.voltage_l1`.
        public var path: String
        public var why: String
    }

    private static let promotions: [String: Set<String>] = [
        "int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
        "string": ["bytes"], "bytes": ["string"],
    ]

    // `seen` are the records that are around a place.
    private let writerTypes: [String: JSONDocument]
    private let readerTypes: [String: JSONDocument]

    /// - Returns: what of the writer's the reader cannot read; empty where it reads all.
    public static func breaches(reader: JSONDocument, writer: JSONDocument) -> [Breach] {
        var types = (writer: [String: JSONDocument](), reader: [String: JSONDocument]())
        collect(writer, &types.writer)
        collect(reader, &types.reader)
        return AvroCompatibility(writerTypes: types.writer, readerTypes: types.reader).compare(writer, reader, "", [])
    }

    /// Named types, for where they are named again.
    private static func collect(_ type: JSONDocument, _ types: inout [String: JSONDocument]) {
        for branch in type.asArray ?? [] { collect(branch, &types) }
        for key in ["type", "items", "values"] {
            if let inner = type[key], inner.asString == nil { collect(inner, &types) }
        }
        for field in type["fields"]?.asArray ?? [] {
            if let inner = field["type"] { collect(inner, &types) }
        }
        if let name = type["name"]?.asString, type["fields"] != nil || type["symbols"] != nil {
            types[shortName(name)] = type
        }
    }

    private static func shortName(_ name: String) -> String { name.split(separator: ".").last.map(String.init) ?? name }

    private func compare(_ writer: JSONDocument, _ reader: JSONDocument, _ path: String, _ seen: Set<String>)
        -> [Breach]
    {
        let writer = resolved(writer, writerTypes)
        let reader = resolved(reader, readerTypes)
        if let branches = writer.asArray {
            return Array(branches.lazy.map { compare($0, reader, path, seen) }.first { !$0.isEmpty } ?? [])
        }
        if let branches = reader.asArray {
            let found = branches.map { compare(writer, $0, path, seen) }
            if found.contains(where: \.isEmpty) { return [] }
            // Of a record that is among them it is worth knowing what is wrong with it.
            let alike = zip(branches, found).first { Self.name($0.0) == Self.name(writer) }
            return alike?.1 ?? [Breach(path: path, why: "is \(Self.text(writer)), where \(Self.text(reader)) is read")]
        }
        let (from, to) = (Self.name(writer), Self.name(reader))
        guard from == to else {
            if Self.promotions[from]?.contains(to) ?? false { return [] }
            return [Breach(path: path, why: "is \(Self.text(writer)), where \(Self.text(reader)) is read")]
        }
        switch from {
        case "record": return compareRecords(writer, reader, path, seen)
        case "enum": return compareSymbols(writer, reader, path)
        case "array": return compareInner("items", writer, reader, path, seen)
        case "map": return compareInner("values", writer, reader, path, seen)
        default: return []
        }
    }

    private func compareInner(
        _ key: String, _ writer: JSONDocument, _ reader: JSONDocument, _ path: String, _ seen: Set<String>
    ) -> [Breach] {
        guard let from = writer[key], let to = reader[key] else { return [] }
        return compare(from, to, path, seen)
    }

    private func compareRecords(
        _ writer: JSONDocument, _ reader: JSONDocument, _ path: String, _ seen: Set<String>
    ) -> [Breach] {
        let names = [writer, reader].map { Self.shortName($0["name"]?.asString ?? "") }
        guard names[0] == names[1] else {
            return [Breach(path: path, why: "is the record \(names[0]), where \(names[1]) is read")]
        }
        // A record in itself has been looked at where it is outside.
        let (seen, isNew) = (seen.union(names), !names.allSatisfy(seen.contains))
        guard isNew else { return [] }
        return (reader["fields"]?.asArray ?? []).flatMap { field -> [Breach] in
            guard let name = field["name"]?.asString, let to = field["type"] else { return [] }
            let place = path.isEmpty ? name : "\(path).\(name)"
            let known = [name] + (field["aliases"]?.asArray ?? []).compactMap(\.asString)
            let own = writer["fields"]?.asArray?.first { known.contains($0["name"]?.asString ?? "") }
            guard let own, let from = own["type"] else {
                return field["default"] == nil ? [Breach(path: place, why: "is read, and not written")] : []
            }
            let units = [own, field].map { $0["unit"]?.asString ?? "" }
            if units[0] != units[1] {
                return [
                    Breach(path: place, why: "is in \(Self.unit(units[0])), where \(Self.unit(units[1])) is read")
                ]
            }
            return compare(from, to, place, seen)
        }
    }

    private func compareSymbols(_ writer: JSONDocument, _ reader: JSONDocument, _ path: String) -> [Breach] {
        if reader["default"] != nil { return [] }
        let known = Set((reader["symbols"]?.asArray ?? []).compactMap(\.asString))
        let unknown = (writer["symbols"]?.asArray ?? []).compactMap(\.asString).filter { !known.contains($0) }
        return unknown.isEmpty
            ? [] : [Breach(path: path, why: "may be \(unknown.joined(separator: ", ")), which no field reads")]
    }

    // MARK: Types

    private func resolved(_ type: JSONDocument, _ types: [String: JSONDocument]) -> JSONDocument {
        if let name = type.asString { return types[Self.shortName(name)] ?? type }
        // A type in braces of its own: { "type": { "type": "array", … } }.
        if type["fields"] == nil, type["symbols"] == nil, type["items"] == nil, type["values"] == nil,
            let inner = type["type"], inner.asString.map({ types[Self.shortName($0)] != nil }) ?? true
        {
            return resolved(inner, types)
        }
        return type
    }

    private static func name(_ type: JSONDocument) -> String { type.asString ?? type["type"]?.asString ?? "" }

    private static func text(_ type: JSONDocument) -> String {
        (type.asArray ?? [type]).map(name).filter { $0 != "null" }.joined(separator: " or ")
    }

    private static func unit(_ unit: String) -> String { unit.isEmpty ? "no unit" : unit }
}
