// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The way to a value in a JSON payload: `ENERGY.Power`, `sensors[0].t`, `a."odd key"`.
public struct JSONPath: Sendable, Equatable, CustomStringConvertible {
    public enum Step: Sendable, Hashable {
        case key(String)
        case element(Int)
    }

    public let steps: [Step]
    public let description: String

    /// The whole payload.
    public static let root = JSONPath(steps: [], description: ".")

    private init(steps: [Step], description: String) {
        self.steps = steps
        self.description = description
    }

    /// Nil where the text is no path.
    public init?(_ text: String) {
        var steps: [Step] = []
        var rest = text.utf8[...]
        while !rest.isEmpty {
            guard let step = Self.step(&rest, isFirst: steps.isEmpty) else { return nil }
            steps.append(step)
        }
        guard !steps.isEmpty, steps.count <= JSONScanner.depthLimit else { return nil }
        self.steps = steps
        description = text
    }

    private static func step(_ rest: inout Substring.UTF8View, isFirst: Bool) -> Step? {
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")),
                let index = Int(String(Substring(rest[rest.index(after: rest.startIndex)..<end]))), index >= 0
            else { return nil }
            rest = rest[rest.index(after: end)...]
            return .element(index)
        }
        if !isFirst {
            guard rest.first == UInt8(ascii: ".") else { return nil }
            rest = rest.dropFirst()
        }
        if rest.first == UInt8(ascii: "\"") {
            rest = rest.dropFirst()
            guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            defer { rest = rest[rest.index(after: end)...] }
            return .key(String(Substring(rest[..<end])))
        }
        let end = rest.firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") } ?? rest.endIndex
        guard end > rest.startIndex else { return nil }
        defer { rest = rest[end...] }
        return .key(String(Substring(rest[..<end])))
    }
}

/// Many paths as one tree, so that a payload is read once for all of them.
public struct JSONPathTree: Sendable {
    struct Node: Sendable {
        var keys: [String: Int] = [:]
        var elements: [Int: Int] = [:]
        /// Which of the paths end here.
        var targets: [Int] = []
        /// Whether a list there is wanted with its numbers.
        var wantsNumbers = false
    }

    private(set) var nodes: [Node] = [Node()]

    /// - Parameters:
    ///   - paths: named by their place in this list when they are found.
    ///   - lists: places of those that lead to lists of numbers.
    public init(_ paths: [JSONPath], lists: Set<Int> = []) {
        for (target, path) in paths.enumerated() {
            var node = 0
            for step in path.steps { node = child(of: node, step) }
            nodes[node].targets.append(target)
            if lists.contains(target) { nodes[node].wantsNumbers = true }
        }
    }

    private mutating func child(of node: Int, _ step: JSONPath.Step) -> Int {
        let known: Int? =
            switch step {
            case .key(let key): nodes[node].keys[key]
            case .element(let index): nodes[node].elements[index]
            }
        if let known { return known }
        nodes.append(Node())
        let made = nodes.count - 1
        switch step {
        case .key(let key): nodes[node].keys[key] = made
        case .element(let index): nodes[node].elements[index] = made
        }
        return made
    }
}
