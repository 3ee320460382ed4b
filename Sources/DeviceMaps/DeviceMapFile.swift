// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Crypto
import Events
import YAMLText

/// Reads a device map from its YAML form. Every mistake is recorded with its place and what would be right.
public struct DeviceMapFile {
    private let root: YAMLMapping
    private let problems: Problems

    /// - Parameters:
    ///   - name: the file's name without its ending, which the map must bear.
    ///   - file: as problems should name it.
    /// - Returns: nil where a mistake leaves no map to speak of.
    public static func read(_ text: String, name: String, file: String, problems: Problems) -> DeviceMap? {
        guard let root = YAMLValue.mapping(of: text, file: file, problems: problems) else { return nil }
        return DeviceMapFile(root: root, problems: problems).map(named: name, hash: hash(of: text))
    }

    private static func hash(of text: String) -> String {
        SHA256.hash(data: Array(text.utf8)).map { String($0, radix: 16, padded: 2) }.joined()
    }

    private func map(named name: String, hash: String) -> DeviceMap? {
        let before = problems.all.count
        let title = root.require("title", fix: "name the product as its maker does")?.string() ?? ""
        let source = root.require("source", fix: "name the document the registers were taken from")?.string() ?? ""
        let version = root.require("version", fix: "write version: 1, and raise it when points change")?
            .integer(in: 1...1_000_000)
        if let written = root.require("map", fix: "write map: \(name)"), let scalar = written.string(), scalar != name {
            written.problem(
                .mapNameDiffers, "must be the name of the file",
                fix: "write map: \(name), or rename the file to \(scalar).yaml")
        }
        guard let (form, points, examples) = formPointsAndExamples() else { return nil }
        root.finish()
        guard problems.all.count == before, let version else { return nil }
        return DeviceMap(
            name: name, version: version, title: title, source: source, form: form, points: points,
            examples: examples, hash: hash)
    }

    private func formPointsAndExamples() -> (DeviceMap.Form, [Point], [Example])? {
        let modbus = root.take("modbus")
        let mqtt = root.take("mqtt")
        guard
            let listed = root.require("points", fix: "list the points, one a line: name: { address: 0, unit: V }")?
                .mapping()
        else { return nil }
        switch (modbus, mqtt) {
        case (let modbus?, nil):
            guard let mapping = modbus.mapping() else { return nil }
            let reader = ModbusFormFile(mapping)
            let points = points(listed, isModbus: true, defaults: reader.defaults, source: reader.source)
            mapping.finish()
            let all = points + derived(of: points)
            let examples = ExampleFile(points: all, place: reader.place).examples(in: root)
            return (.modbus(reader.limits), all, examples)
        case (nil, let mqtt?):
            guard let mapping = mqtt.mapping() else { return nil }
            let reader = MQTTFormFile(mapping)
            let points = points(listed, isModbus: false, defaults: reader.defaults, source: reader.source)
            mapping.finish()
            let all = points + derived(of: points)
            let examples = ExampleFile(points: all, place: nil, form: reader.form).examples(in: root)
            return (.mqtt(reader.form), all, examples)
        case (nil, nil):
            root.problem(.needsExactlyOneOf, "must have `modbus` or `mqtt`", fix: "write how the product is read")
            return nil
        case (_?, let mqtt?):
            mqtt.problem(.conflictingKeys, "is not allowed beside `modbus`", fix: "write two maps")
            return nil
        }
    }

    private func points(
        _ listed: YAMLMapping, isModbus: Bool, defaults: YAMLMapping?, source: (PointKeys) -> Point.Source?
    ) -> [Point] {
        let before = problems.all.count
        var names: [YAMLValue] = []
        let points: [Point] = listed.all().compactMap { name, value in
            guard let mapping = value.mapping() else { return nil }
            let keys = PointKeys(mapping, defaults: defaults)
            if !Self.isName(name.scalar ?? "") {
                name.problem(.invalidName, "must be a name of a-z, 0-9 and _", fix: "")
            }
            let point = keys.point(named: name.scalar ?? "", source: source(keys))
            let keysOfPoints = PointKeys.common + (isModbus ? ModbusFormFile.pointKeys : MQTTFormFile.pointKeys)
            // A mistake may have ended the reading early; then a key is unknown only where no point has it.
            if point == nil { mapping.know(keysOfPoints) } else { names.append(name) }
            mapping.finish(elsewhere: keysOfPoints)
            return point
        }
        if problems.all.count == before { Self.proveApart(points, names) }
        if points.isEmpty, problems.isEmpty { root.problem(.missingKey, "must have at least one point under `points`") }
        return points
    }

    private func derived(of points: [Point]) -> [Point] {
        root.take("derived")?.mapping().map { DerivedKeys(points: points).points($0) } ?? []
    }

    /// The same registers may be read in several ways (bits of them, say); registers that two values share in part are a
    /// wrong address or type.
    private static func proveApart(_ points: [Point], _ names: [YAMLValue]) {
        var seen: [(name: String, table: RegisterTable, span: Range<Int>)] = []
        for (point, name) in zip(points, names) {
            guard case .register(let source) = point.source else { continue }
            let span = source.own
            if let other = seen.first(where: { $0.table == source.table && $0.span != span && $0.span.overlaps(span) })
            {
                name.problem(
                    .registersOverlap, "shares some of its registers with `\(other.name)`, but not all",
                    fix: "correct `address` and `type` of both")
            }
            seen.append((point.name, source.table, span))
        }
    }

    /// Lower case letters, digits and underscores: names that every broker and database takes as they are.
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_")
            }
    }
}
