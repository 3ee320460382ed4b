// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Where a message of Sparkplug B comes from (Sparkplug 3.0.0, 4.1): spBv1.0/GROUP/KIND/NODE or …/NODE/DEVICE.
public struct SparkplugTopic: Equatable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        case nodeBirth = "NBIRTH"
        case nodeDeath = "NDEATH"
        case nodeData = "NDATA"
        case deviceBirth = "DBIRTH"
        case deviceDeath = "DDEATH"
        case deviceData = "DDATA"

        public var isOfDevice: Bool { self == .deviceBirth || self == .deviceDeath || self == .deviceData }
    }

    static let namespace = "spBv1.0"

    public var kind: Kind
    public var node: SparkplugNodeName
    /// Nil for the node's own messages.
    public var device: String?

    public init(_ kind: Kind, _ node: SparkplugNodeName, device: String? = nil) {
        self.kind = kind
        self.node = node
        self.device = device
    }

    public var text: String {
        "\(Self.namespace)/\(node.group)/\(kind.rawValue)/\(node.node)" + (device.map { "/" + $0 } ?? "")
    }

    /// Nil for any other topic.
    public init?(_ topic: String) {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard levels.count >= 4, levels[0] == Self.namespace, let kind = Kind(rawValue: levels[2]),
            levels.count == (kind.isOfDevice ? 5 : 4), !levels.contains("")
        else { return nil }
        self.kind = kind
        node = SparkplugNodeName(group: levels[1], node: levels[3])
        device = kind.isOfDevice ? levels[4] : nil
    }

    /// Where a Host Application says whether it is there (ibid., 4.2.9).
    public static func state(of host: String) -> String { "\(namespace)/STATE/\(host)" }

    /// What to listen to for the nodes of a pattern; no more than that, so that a broker need not allow more.
    public static func filters(of pattern: SparkplugNodeName) -> [String] {
        Kind.allCases.map { kind in
            SparkplugTopic(kind, pattern, device: kind.isOfDevice ? "+" : nil).text
        }
    }
}

/// An edge node; in a pattern + stands for any group or node.
public struct SparkplugNodeName: Hashable, Sendable {
    public var group: String
    public var node: String

    public init(group: String, node: String) {
        self.group = group
        self.node = node
    }

    public var isPattern: Bool { group == "+" || node == "+" }

    /// Whether there can be nodes of both patterns though neither holds the other.
    public func crosses(_ other: SparkplugNodeName) -> Bool {
        let isCommon =
            (group == "+" || other.group == "+" || group == other.group)
            && (node == "+" || other.node == "+" || node == other.node)
        return isCommon && !matches(other) && !other.matches(self)
    }

    public func matches(_ name: SparkplugNodeName) -> Bool {
        (group == "+" || group == name.group) && (node == "+" || node == name.node)
    }

    /// Where a node is told what to do.
    public var commandTopic: String { "\(SparkplugTopic.namespace)/\(group)/NCMD/\(node)" }
}
