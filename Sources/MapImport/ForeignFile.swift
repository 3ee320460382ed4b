// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import YAMLText

/// Configurations of other gateways that maps are made of.
public enum ForeignFormat: String, Sendable, CaseIterable {
    case edgex, telegraf, neuron, thingsboard

    var title: String {
        switch self {
        case .edgex: "EdgeX device profile"
        case .telegraf: "Telegraf inputs.modbus"
        case .neuron: "Neuron tags"
        case .thingsboard: "ThingsBoard Modbus connector"
        }
    }
}

/// Why nothing can be made of a file.
public struct ImportError: CodedError {
    public var code: Code { .foreignFileInvalid }
    public let description: String
}

/// A file of another gateway, read as far as it can be understood.
///
/// JSON is read as the YAML that it is, and TOML is turned into JSON first: the readers see one kind of tree.
public enum ForeignFile {
    /// - Parameters:
    ///   - format: nil where the file is to tell.
    ///   - name: of the file, for messages and for a map that has no other.
    public static func maps(of text: String, name: String, format: ForeignFormat?) throws(ImportError) -> [ImportedMap]
    {
        let isTOML = format == .telegraf || format == nil && (name.hasSuffix(".conf") || name.hasSuffix(".toml"))
        let problems = Problems(recordsKeys: true)
        let tree = isTOML ? try json(ofTOML: text, name) : text
        guard let document = YAMLValue.mapping(of: tree, file: name, problems: problems) else {
            let hint = isTOML ? "" : " (for a TOML file write --from telegraf)"
            throw ImportError(description: problems.sorted.map(\.description).joined(separator: "; ") + hint)
        }
        // EdgeX's API wraps what it is sent.
        let root = document.child("profile") ?? document
        guard let format = format ?? (isTOML ? .telegraf : detect(root)) else {
            throw ImportError(
                description: "\(name): "
                    + (whatElse(root) ?? "of which gateway is this? Say --from edgex, telegraf, neuron or thingsboard"))
        }
        let stem = name.split(separator: "/").last.map { String($0.split(separator: ".").first ?? "") } ?? "map"
        var maps: [ImportedMap] =
            switch format {
            case .edgex: [EdgeXProfile.map(root, stem)]
            case .telegraf: TelegrafConfiguration.maps(root, stem)
            case .neuron: NeuronTags.maps(root, stem)
            case .thingsboard: ThingsBoardConnector.maps(root, stem)
            }
        maps.removeAll { $0.points.isEmpty && $0.left.isEmpty }
        guard !maps.isEmpty else {
            throw ImportError(description: "\(name): there is no Modbus point in this \(format.title)")
        }
        maps[0].left += keysLeft(document)
        for place in maps.indices {
            maps[place].source = "imported from \(format.title) \(name.split(separator: "/").last ?? "")"
        }
        return ImportedMap.named(maps)
    }

    /// Every key that no reader has asked for: what it meant is missing here.
    private static func keysLeft(_ root: YAMLMapping) -> [ImportedMap.Left] {
        var counts: [(path: String, values: [String?])] = []
        var places: [String: Int] = [:]
        for key in root.keysNotRead() {
            if let place = places[key.path] {
                counts[place].values.append(key.value)
            } else {
                places[key.path] = counts.count
                counts.append((key.path, [key.value]))
            }
        }
        return counts.map { path, values in
            let name = path.split(separator: ".").last.map { String($0.filter { !"[]".contains($0) }) } ?? path
            let why = KeysLeft.reason(name, at: path)
            let written = Set(values.compactMap(\.self)).sorted()
            let was =
                written.isEmpty
                ? "" : " (was \(written.prefix(3).joined(separator: ", "))\(written.count > 3 ? ", …" : ""))"
            return ImportedMap.Left(what: path + (values.count > 1 ? " (\(values.count) times)" : ""), why: why + was)
        }
    }

    private static func json(ofTOML text: String, _ name: String) throws(ImportError) -> String {
        do throws(TOMLText.Malformed) {
            return try TOMLText.json(of: text)
        } catch {
            throw ImportError(description: "\(name):\(error.line): not valid TOML: expected \(error.expected)")
        }
    }

    /// Says what a file is that belongs to a known gateway and has no registers.
    private static func whatElse(_ root: YAMLMapping) -> String? {
        if root.has("deviceList") || root.has("profileName") {
            return "this is EdgeX's list of devices: import the profiles that it names; addresses, units and intervals "
                + "(protocols, autoEvents) go into headgate.yaml"
        }
        if root.has("group"), root.has("id") {
            return
                "this is a SunSpec model: devices are read by the models built in, write map: sunspec in headgate.yaml"
        }
        return nil
    }

    private static func detect(_ root: YAMLMapping) -> ForeignFormat? {
        if root.take("deviceResources") != nil { return .edgex }
        if root.take("inputs") != nil { return .telegraf }
        let connector = ThingsBoardConnector.connector(root)
        if ["master", "server", "servers"].contains(where: { connector.take($0) != nil }) {
            return .thingsboard
        }
        if ["tags", "groups", "nodes"].contains(where: { root.take($0) != nil }) { return .neuron }
        return nil
    }
}

// Lenient reading: what is not there or is of another shape is not meant for us.
extension YAMLMapping {
    func text(_ key: String) -> String? {
        guard let value = take(key), !value.isNull else { return nil }
        return value.scalar
    }

    func integer(_ key: String) -> Int? {
        guard let text = text(key) else { return nil }
        return YAMLValue.integer(text) ?? Double(text).flatMap { Int(exactly: $0) }
    }

    func number(_ key: String) -> Double? {
        text(key).flatMap(Double.init).flatMap { $0.isFinite ? $0 : nil }
    }

    /// The texts of whole numbers; nil where a key is something else.
    var textsOfNumbers: [Int: String]? {
        let pairs = all().compactMap { key, value in
            key.scalar.flatMap(Int.init).flatMap { number in value.scalar.map { (number, $0) } }
        }
        return pairs.count == count ? Dictionary(pairs, uniquingKeysWith: { first, _ in first }) : nil
    }

    func flag(_ key: String) -> Bool { ["true", "True", "1"].contains(text(key)) }

    func child(_ key: String) -> YAMLMapping? {
        guard let value = take(key), value.isMapping else { return nil }
        return value.mapping()
    }

    /// The mappings of a list.
    func children(_ key: String) -> [YAMLMapping] {
        guard let value = take(key), value.isSequence else { return [] }
        return (value.sequence() ?? []).compactMap { $0.isMapping ? $0.mapping() : nil }
    }
}
