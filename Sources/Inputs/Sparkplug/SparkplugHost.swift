// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import MQTT
import Sparkplug

/// Edge nodes as the configuration names them; with a pattern, as many as there are.
public struct SparkplugDevice: Sendable {
    public var name: String
    public var pattern: SparkplugNodeName
    /// What events give as the map, as births say what others have a map for.
    public var map: (name: String, version: Int)
    public var tags: [Device.Tag]
    /// How long a message that is missing by its sequence number may still come.
    public var reorderTimeout = Duration.seconds(2)

    public init(name: String, pattern: SparkplugNodeName, map: (name: String, version: Int), tags: [Device.Tag]) {
        self.name = name
        self.pattern = pattern
        self.map = map
        self.tags = tags
    }

    func described(_ id: String) -> Device {
        Device(id: id, map: map.name, mapVersion: map.version, tags: tags)
    }
}

/// From messages of edge nodes to readings: a Host Application of Sparkplug 3.0.0 that listens and asks for births.
/// Pure: moments come in as arguments.
package struct SparkplugHost {
    /// The most nodes that one pattern brings into being.
    static let mostNodes = 1_000
    /// So many births at once are all that is asked for.
    private static let requestsAtOnce = 10

    let devices: [SparkplugDevice]
    let catalog: Catalog
    private let room: SparkplugRoom
    private var nodes: [SparkplugNodeName: SparkplugNode] = [:]

    package init(_ devices: [SparkplugDevice], catalog: Catalog) {
        self.init(devices, catalog: catalog, room: SparkplugRoom())
    }

    init(_ devices: [SparkplugDevice], catalog: Catalog, room: SparkplugRoom) {
        // Who is named is not one of the many.
        self.devices = devices.filter { !$0.pattern.isPattern } + devices.filter(\.pattern.isPattern)
        self.catalog = catalog
        self.room = room
        // Who is named is asked for; of others nobody knows before they speak.
        for device in devices where !device.pattern.isPattern {
            nodes[device.pattern] = SparkplugNode(device.pattern, of: device, catalog, room)
        }
    }

    /// Of patterns that another covers none: a broker may send a message once for each that it matches.
    var filters: [String] {
        devices.filter { one in !devices.contains { $0.pattern != one.pattern && $0.pattern.matches(one.pattern) } }
            .flatMap { SparkplugTopic.filters(of: $0.pattern) }
    }

    /// Metrics of the last births that are not read.
    var unread: Int { nodes.values.reduce(0) { $0 + $1.unread } }

    /// - Returns: false where the topic is not one of an edge node that is listened to.
    package mutating func take(
        _ message: MQTTMessage, at now: MessageRouter.Arrival, into batch: inout Batch
    ) throws(SparkplugNode.Refusal) -> Bool {
        guard let topic = SparkplugTopic(message.topic),
            let device = devices.first(where: { $0.pattern.matches(topic.node) })
        else { return false }
        // How a retained message is removed from a broker; as a birth it would withdraw every metric.
        guard !message.payload.isEmpty else { throw .malformed }
        let payload: SparkplugPayload
        do {
            payload = try SparkplugPayload(message.payload)
        } catch {
            if topic.kind == .nodeBirth || topic.kind == .deviceBirth {
                nodes[topic.node]?.rebirth.want(at: now.instant)
            }
            throw .malformed
        }
        if nodes[topic.node] == nil {
            guard nodes.keys.count(where: { device.pattern.matches($0) }) < Self.mostNodes,
                room.take(SparkplugRoom.device(named: topic.node.group + topic.node.node))
            else { throw .tooManyDevices }
            nodes[topic.node] = SparkplugNode(topic.node, of: device, catalog, room)
        }
        guard !message.retained else {
            // It proves that there was such a node, no more.
            nodes[topic.node]?.rebirth.want(at: now.instant)
            throw .retained
        }
        try nodes[topic.node]?.take(
            topic, payload, isRedelivered: message.redelivered, at: now, into: &batch)
        return true
    }

    // MARK: The link

    mutating func connected(at now: ContinuousClock.Instant) {
        for name in Array(nodes.keys) { nodes[name]?.interrupt(at: now) }
    }

    mutating func linkDown(since: Timestamp, at time: Timestamp, into batch: inout Batch) {
        for name in Array(nodes.keys) { nodes[name]?.cutOff(since: since, .disconnected, at: time, into: &batch) }
    }

    // MARK: Time

    /// - Returns: how many messages are lost.
    package mutating func tick(_ now: MessageRouter.Arrival, into batch: inout Batch) -> Int {
        // The names by themselves: nodes are changed where they are.
        Array(nodes.keys).reduce(0) { $0 + (nodes[$1]?.tick(now, into: &batch) ?? 0) }
    }

    /// What to send to those that are to be born again.
    mutating func requests(at now: MessageRouter.Arrival) -> [(topic: String, payload: [UInt8])] {
        var requests: [(topic: String, payload: [UInt8])] = []
        for name in Array(nodes.keys) where requests.count < Self.requestsAtOnce {
            guard nodes[name]?.rebirth.take(at: now.instant) ?? false else { continue }
            requests.append((name.commandTopic, Self.rebirth(at: now.time).bytes))
        }
        return requests
    }

    /// Commands have no sequence number (Sparkplug 3.0.0, 6.4.22).
    private static func rebirth(at time: Timestamp) -> SparkplugPayload {
        let now = UInt64(clamping: time.microseconds / 1_000)
        var metric = SparkplugMetric(name: "Node Control/Rebirth", type: .boolean, raw: .boolean(true))
        metric.timestamp = now
        return SparkplugPayload(timestamp: now, sequence: nil, metrics: [metric])
    }
}
