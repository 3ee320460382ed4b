// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Yams

/// A mapping that is read key by key. `finish` reports the keys nobody asked for.
public final class YAMLMapping {
    private let mapping: Node.Mapping
    private let value: YAMLValue
    private var asked: [String] = []
    private var askedNames: Set<String> = []

    private static let mostListed = 60

    init(mapping: Node.Mapping, value: YAMLValue) {
        self.mapping = mapping
        self.value = value
    }

    public var provesExamples: Bool { value.provesExamples }

    /// Whether a key is there, without reading it.
    public func has(_ key: String) -> Bool { mapping.contains { $0.key.string == key } }

    /// How many keys there are.
    public var count: Int { mapping.count }

    /// The value of a key, or nil where the key is not there.
    public func take(_ key: String) -> YAMLValue? {
        know([key])
        guard let (keyNode, node) = mapping.first(where: { $0.key.string == key }) ?? underFormerName(key) else {
            return nil
        }
        record(keyNode)
        return YAMLValue(
            node: node, file: value.file, problems: value.problems,
            path: value.path.isEmpty ? key : "\(value.path).\(key)")
    }

    /// The value of a key that stands here under the name that it had in an earlier version, which is a mistake.
    private func underFormerName(_ key: String) -> (Node, Node)? {
        // A file of another gateway has its own names.
        guard value.problems.keysRead == nil, let former = FormerNames.byKey[key],
            let (keyNode, node) = mapping.first(where: { $0.key.string == former })
        else { return nil }
        know([former])
        YAMLValue(node: keyNode, file: value.file, problems: value.problems, path: value.path)
            .problem(.renamedKey, "`\(former)` is now named `\(key)`", fix: "write `\(key):`")
        return (keyNode, node)
    }

    /// The value of a key that must be there.
    public func require(_ key: String, fix: String) -> YAMLValue? {
        let found = take(key)
        if found == nil { problem(.missingKey, "must have `\(key)`", fix: fix) }
        return found
    }

    /// Every key with its value, in the order of the file.
    public func all() -> [(key: YAMLValue, value: YAMLValue)] {
        mapping.map { key, node in
            let name = key.string ?? "?"
            know([name])
            record(key)
            let path = value.path.isEmpty ? name : "\(value.path).\(name)"
            return (
                YAMLValue(node: key, file: value.file, problems: value.problems, path: path),
                YAMLValue(node: node, file: value.file, problems: value.problems, path: path)
            )
        }
    }

    private func record(_ key: Node) {
        guard value.problems.keysRead != nil, let mark = key.mark else { return }
        value.problems.keysRead?.insert(Problems.Place(line: mark.line, column: mark.column))
    }

    /// Takes everything in it and below it for read: it is left out as a whole, which is said of it.
    public func dismiss() {
        guard value.problems.keysRead != nil else { return }
        dismiss(.mapping(mapping))
    }

    private func dismiss(_ node: Node) {
        switch node {
        case .mapping(let mapping):
            for (key, node) in mapping {
                record(key)
                dismiss(node)
            }
        case .sequence(let sequence): sequence.forEach(dismiss)
        case .scalar, .alias: break
        }
    }

    /// A key that nothing has asked for.
    public struct KeyNotRead {
        /// From this mapping on, `[]` for any entry of a list: `inputs.modbus[].timeout`.
        public var path: String
        /// Of a scalar, as it is written.
        public var value: String?
    }

    /// The keys in it and below it that were not read. Of a key that was not, nothing below it is named.
    public func keysNotRead() -> [KeyNotRead] {
        var found: [KeyNotRead] = []
        collect(.mapping(mapping), "", &found)
        return found
    }

    private func collect(_ node: Node, _ path: String, _ found: inout [KeyNotRead]) {
        switch node {
        case .mapping(let mapping):
            for (key, node) in mapping {
                let path = (path.isEmpty ? "" : path + ".") + (key.string ?? "?")
                let place = key.mark.map { Problems.Place(line: $0.line, column: $0.column) }
                if let place, value.problems.keysRead?.contains(place) ?? true {
                    collect(node, path, &found)
                } else {
                    found.append(KeyNotRead(path: path, value: node.scalar?.string))
                }
            }
        case .sequence(let sequence): for node in sequence { collect(node, path + "[]", &found) }
        case .scalar, .alias: break
        }
    }

    /// Says that keys have a meaning here even where nothing asked for them.
    public func know(_ keys: [String]) {
        asked += keys.filter { askedNames.insert($0).inserted }
    }

    public func problem(_ code: Code, _ message: String, fix: String = "") {
        value.problem(code, message, fix: fix)
    }

    /// Reports what was never asked for: a key that means nothing is a mistake, often of spelling.
    /// - Parameter elsewhere: keys that have a meaning in other mappings like this one.
    public func finish(elsewhere: [String] = []) {
        for (key, _) in mapping {
            let name = key.string ?? "?"
            if askedNames.contains(name) { continue }
            if value.problems.isFull { return problem(.unknownKey, "has further unknown keys") }
            if elsewhere.contains(name) {
                YAMLValue(node: key, file: value.file, problems: value.problems, path: value.path)
                    .problem(
                        .keyNotAllowedHere, "`\(name)` is not allowed beside the other keys here", fix: "remove it")
                continue
            }
            let nearest = Spelling.nearest(to: name, among: asked)
            let here = YAMLValue(node: key, file: value.file, problems: value.problems, path: value.path)
            here.problem(
                .unknownKey, "has an unknown key `\(name)`",
                fix: nearest.map { "did you mean `\($0)`?" }
                    ?? (asked.count <= Self.mostListed ? "known keys: \(asked.joined(separator: ", "))" : ""))
        }
    }
}
