// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import FoundationEssentials
import MQTT
import Sparkplug

/// How an output is an edge node.
public struct EdgeNodeSettings: Sendable {
    let metrics: SparkplugMetrics
    /// The host that it waits for; nil for none.
    let primaryHost: String?
    /// The number of the last connection, of an earlier run.
    let lastConnection: UInt8?
    let keepConnection: @Sendable (UInt8) -> Void

    public init(
        _ metrics: SparkplugMetrics, primaryHost: String?, lastConnection: UInt8?,
        keepConnection: @escaping @Sendable (UInt8) -> Void
    ) {
        self.metrics = metrics
        self.primaryHost = primaryHost
        self.lastConnection = lastConnection
        self.keepConnection = keepConnection
    }
}

/// The session of an edge node with its broker (Sparkplug 3.0.0, 5): what has been born on this connection, and the number
/// that the next message has.
///
/// Messages go at QoS 1, not at 0 as the specification has it: what nobody acknowledges is not known to have arrived.
struct EdgeNode {
    struct Message {
        var topic: String
        var payload: [UInt8]
    }

    /// What it is told.
    enum Order {
        case rebirth
        case hostIsOnline(Bool)
    }

    /// What a Host Application says of itself (ibid., 6.4.30).
    private struct HostState: Decodable {
        var online: Bool
        var timestamp: Int64
    }

    let metrics: SparkplugMetrics
    private let primaryHost: String?
    /// Of the connection, in its birth and in its death, so that a death that comes late is told from a new one.
    private var connection: UInt8
    private let keep: @Sendable (UInt8) -> Void
    private var sequence: UInt8 = 0
    private(set) var isBorn = false
    /// Of what its own birth tells.
    private var version = 0
    /// The largest payload that the broker takes.
    var mostBytes = Int.max
    /// The devices that are born, each with the version of its birth.
    private var devices: [String: Int] = [:]
    /// Those that are not online, born for what is told of earlier.
    private var revived: Set<String> = []
    private var hostTime = Int64.min
    private(set) var isHostOnline: Bool

    init(_ settings: EdgeNodeSettings) {
        metrics = settings.metrics
        primaryHost = settings.primaryHost
        connection = settings.lastConnection ?? 255
        keep = settings.keepConnection
        isHostOnline = primaryHost == nil
    }

    // MARK: The connection

    /// Before a connection: what the broker says once that is lost.
    mutating func will() -> MQTTSettings.Will {
        connection &+= 1
        (isBorn, devices, revived) = (false, [:], [])
        (hostTime, isHostOnline) = (.min, primaryHost == nil)
        let death = death()
        return MQTTSettings.Will(topic: death.topic, payload: death.payload, isRetained: false)
    }

    /// The broker has its will.
    func connected() { keep(connection) }

    var filters: [String] { [metrics.node.commandTopic] + (primaryHost.map { [SparkplugTopic.state(of: $0)] } ?? []) }

    /// Why nothing can be sent; nil where it can.
    var hindrance: String? {
        isHostOnline ? nil : "the primary host \(primaryHost ?? "") is not online"
    }

    /// What is said last before a connection is ended; the broker says it by itself where one is lost.
    func death() -> Message {
        Message(topic: SparkplugTopic(.nodeDeath, metrics.node).text, payload: Self.payload([connectionNumber]))
    }

    private var connectionNumber: SparkplugMetric {
        SparkplugMetric(name: "bdSeq", type: .int64, raw: .long(UInt64(connection)))
    }

    // MARK: Births

    /// The edge node and all devices that are online.
    mutating func births() -> [Message] {
        sequence = 0
        isBorn = true
        devices = [:]
        let rebirth = SparkplugMetric(name: "Node Control/Rebirth", type: .boolean, raw: .boolean(false))
        let own = metrics.birth(of: "")
        version = own.version
        let birth = message(.nodeBirth, nil, Self.payload([connectionNumber, rebirth] + own.metrics))
        return [birth] + metrics.online().sorted().compactMap { self.birth(of: $0) }
    }

    /// Nil where it is larger than the broker takes.
    private mutating func birth(of device: String) -> Message? {
        let (metrics, version) = metrics.birth(of: device)
        let payload = Self.payload(metrics)
        guard payload.count <= mostBytes else { return nil }
        devices[device] = version
        return message(.deviceBirth, device, payload)
    }

    /// As of now, as far as nothing is said of the time.
    private static func payload(_ metrics: [SparkplugMetric]) -> [UInt8] {
        var payload = SparkplugPayload(timestamp: Timestamp.now.milliseconds, sequence: nil, metrics: metrics)
        for place in metrics.indices where metrics[place].timestamp == nil {
            payload.metrics[place].timestamp = payload.timestamp
        }
        return payload.bytes
    }

    // MARK: Events

    /// What is to be sent for an event, itself last; nothing where all is said, and nil where the birth that it needs is
    /// larger than the broker takes.
    mutating func messages(
        for role: SparkplugRole, payload: [UInt8], isBacklog: Bool
    ) -> [Message]? {
        switch role {
        case .data("", let version, _):
            return (version > self.version ? births() : []) + [message(.nodeData, nil, payload)]
        case .data(let device, let version, let isNews):
            var messages: [Message] = []
            if devices[device] == nil, isBacklog || !metrics.online().contains(device) {
                // It is dead, and its points with it.
                guard isNews || isBacklog else { return [] }
                revived.insert(device)
            }
            if devices[device] ?? -1 < version {
                guard let birth = birth(of: device) else { return nil }
                messages.append(birth)
            }
            return messages + [message(.deviceData, device, payload)]
        case .birth(let device):
            revived.remove(device)
            guard devices[device] == nil else { return [] }
            return birth(of: device).map { [$0] }
        case .death(let device):
            revived.remove(device)
            return devices[device] == nil ? [] : [death(of: device)]
        }
    }

    /// What was born for the sake of what is told of earlier goes again: nobody is to take it for being online.
    mutating func farewells() -> [Message] {
        defer { revived = [] }
        return revived.sorted().map { death(of: $0) }
    }

    private mutating func death(of device: String) -> Message {
        devices[device] = nil
        return message(.deviceDeath, device, Self.payload([]))
    }

    /// With the sequence number: fields of a message of protobuf may stand in any order, and this one is the last.
    private mutating func message(_ kind: SparkplugTopic.Kind, _ device: String?, _ payload: [UInt8]) -> Message {
        defer { sequence &+= 1 }
        let number = SparkplugPayload(timestamp: nil, sequence: UInt64(sequence), metrics: [])
        return Message(
            topic: SparkplugTopic(kind, metrics.node, device: device).text, payload: payload + number.bytes)
    }

    // MARK: Orders

    /// Nil where it means nothing.
    mutating func order(_ message: MQTTMessage) -> Order? {
        if message.topic == metrics.node.commandTopic {
            let isRebirth = (try? SparkplugPayload(message.payload))?.metrics.contains {
                $0.name == "Node Control/Rebirth" && $0.raw == .boolean(true)
            }
            return isRebirth ?? false ? .rebirth : nil
        }
        guard let state = try? JSONDecoder().decode(HostState.self, from: Data(message.payload)),
            state.timestamp >= hostTime
        else { return nil }
        hostTime = state.timestamp
        guard isHostOnline != state.online else { return nil }
        isHostOnline = state.online
        return .hostIsOnline(state.online)
    }
}
