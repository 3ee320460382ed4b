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
    /// Of births, data and deaths.
    let qos: Int
    /// The number of the last connection, of an earlier run.
    let lastConnection: UInt8?
    let keepConnection: @Sendable (UInt8) -> Void

    public init(
        _ metrics: SparkplugMetrics, primaryHost: String?, qos: Int = 1, lastConnection: UInt8?,
        keepConnection: @escaping @Sendable (UInt8) -> Void
    ) {
        self.metrics = metrics
        self.primaryHost = primaryHost
        self.qos = qos
        self.lastConnection = lastConnection
        self.keepConnection = keepConnection
    }
}

/// The session of an edge node with its broker (Sparkplug 3.0.0, 5): what has been born on this connection, and the number
/// that the next message has.
///
/// Messages go at QoS 1 unless the configuration says 0, as the specification has it: what is not acknowledged is not known to
/// have arrived.
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
    let qos: Int32
    private let primaryHost: String?
    /// Of the last session, in its birth and in its death, so that a death that comes late is told from a new one.
    private var lastSession: UInt8
    /// Of this one: a connection that the broker refuses is no session.
    private var session: UInt8
    private let keep: @Sendable (UInt8) -> Void
    private var sequence: UInt8 = 0
    private(set) var isBorn = false
    /// The largest payload that the broker takes.
    var mostBytes = Int.max
    /// What a birth has said.
    private struct Birth {
        var version: Int
        /// The time of each metric, by alias, in milliseconds.
        var times: [UInt64: UInt64]
        var newest: UInt64

        init(_ version: Int, _ metrics: [SparkplugMetric]) {
            self.version = version
            // What is the gateway's own has the time of the birth, and not of what it says.
            let ofDevice = metrics.filter { !($0.name?.hasPrefix(SparkplugMetrics.ownPrefix) ?? false) }
            times = Dictionary(
                ofDevice.compactMap { metric in metric.alias.flatMap { alias in metric.timestamp.map { (alias, $0) } }
                },
                uniquingKeysWith: { $1 })
            newest = times.values.max() ?? 0
        }
    }

    /// The devices that are born.
    private var devices: [String: Birth] = [:]
    private var own: Birth?
    /// Devices whose death has come since the start, and no birth since.
    private var dead: Set<String> = []
    /// Those of them whose death is not said yet: until what was read before is said.
    private var dying: [String: ContinuousClock.Instant] = [:]
    /// Their events may be in lanes that the death has overtaken, and not be committed yet.
    private static let (shortestDying, longestDying) = (Duration.milliseconds(500), Duration.seconds(2))
    /// Those that are not online, born for what is told of earlier.
    private var revived: Set<String> = []
    private var hostTime = Int64.min
    private(set) var isHostOnline: Bool

    init(_ settings: EdgeNodeSettings) {
        metrics = settings.metrics
        primaryHost = settings.primaryHost
        qos = Int32(clamping: settings.qos)
        lastSession = settings.lastConnection ?? 255
        session = lastSession
        keep = settings.keepConnection
        isHostOnline = primaryHost == nil
    }

    // MARK: The connection

    /// Before a connection: what the broker says once that is lost.
    mutating func will() -> MQTTSettings.Will {
        session = lastSession &+ 1
        (isBorn, own, devices, dying, revived) = (false, nil, [:], [:], [])
        (hostTime, isHostOnline) = (.min, primaryHost == nil)
        let death = death()
        return MQTTSettings.Will(topic: death.topic, payload: death.payload, isRetained: false)
    }

    /// The broker has the will, or may have it: its number is not used again.
    mutating func sessionBegan() {
        lastSession = session
        keep(session)
    }

    var filters: [String] { [metrics.node.commandTopic] + (primaryHost.map { [SparkplugTopic.state(of: $0)] } ?? []) }

    /// Why nothing can be sent; nil where it can.
    var hindrance: String? {
        isHostOnline ? nil : "the primary host \(primaryHost ?? "") is not online"
    }

    /// What is said last before a connection is ended; the broker says it by itself where one is lost.
    func death() -> Message {
        var number = sessionNumber
        number.timestamp = Timestamp.now.milliseconds
        let payload = SparkplugPayload(timestamp: number.timestamp, sequence: nil, metrics: [number])
        return Message(topic: SparkplugTopic(.nodeDeath, metrics.node).text, payload: payload.bytes)
    }

    private var sessionNumber: SparkplugMetric {
        SparkplugMetric(name: "bdSeq", type: .int64, raw: .long(UInt64(session)))
    }

    // MARK: Births

    /// The edge node and all devices that are online.
    mutating func births() -> [Message] {
        sequence = 0
        isBorn = true
        devices = [:]
        dying = [:]
        let rebirth = SparkplugMetric(name: "Node Control/Rebirth", type: .boolean, raw: .boolean(false))
        let own = metrics.birth(of: "")
        self.own = Birth(own.version, own.metrics)
        let birth = message(.nodeBirth, nil, Self.payload([sessionNumber, rebirth] + own.metrics))
        return [birth] + metrics.online().sorted().compactMap { self.birth(of: $0) }
    }

    /// Nil where it is larger than the broker takes.
    private mutating func birth(of device: String) -> Message? {
        prepareBirth(of: device).map { birth(of: device, $0) }
    }

    private func prepareBirth(of device: String) -> (birth: Birth, payload: [UInt8])? {
        let (metrics, version) = metrics.birth(of: device)
        let payload = Self.payload(metrics)
        return payload.count <= mostBytes ? (Birth(version, metrics), payload) : nil
    }

    private mutating func birth(of device: String, _ prepared: (birth: Birth, payload: [UInt8])) -> Message {
        devices[device] = prepared.birth
        return message(.deviceBirth, device, prepared.payload)
    }

    /// As of now, as far as nothing is said of the time.
    private static func payload(_ metrics: [SparkplugMetric]) -> [UInt8] {
        var metrics = metrics
        let now = Timestamp.now.milliseconds
        for place in metrics.indices where metrics[place].timestamp == nil { metrics[place].timestamp = now }
        return SparkplugPayload(timestamp: nil, sequence: nil, metrics: metrics.chronological).bytes
    }

    // MARK: Events

    /// What is to be sent for an event, itself last; nothing where all is said, and nil where the birth that it needs is
    /// larger than the broker takes.
    mutating func messages(
        for role: SparkplugRole, payload: [UInt8], isBacklog: Bool
    ) -> [Message]? {
        switch role {
        case .data("", let version, _, _, let oldest):
            let births = version > own?.version ?? -1 ? births() : []
            return births + [message(.nodeData, nil, asHistory(payload, after: own, oldest))]
        case .data(let device, let version, let isNews, let isHistorical, let oldest):
            var messages: [Message] = []
            if devices[device] == nil {
                if isBacklog || !metrics.online().contains(device) {
                    // It is dead, and its points with it.
                    guard isNews || isBacklog else { return [] }
                    if dead.contains(device), !isBacklog, !isHistorical {
                        // As its own it would need a birth, which says that it is back.
                        guard let late = late(payload, of: device) else { return nil }
                        return [message(.nodeData, nil, late)]
                    }
                    revived.insert(device)
                }
            }
            if devices[device]?.version ?? -1 < version {
                guard let birth = birth(of: device) else { return nil }
                messages.append(birth)
            }
            return messages + [message(.deviceData, device, asHistory(payload, after: devices[device], oldest))]
        case .birth(let device):
            revived.remove(device)
            dead.remove(device)
            guard devices[device] == nil || dying[device] != nil else { return [] }
            guard let prepared = prepareBirth(of: device) else { return nil }
            let messages = dying[device] == nil ? [] : [death(of: device)]
            return messages + [birth(of: device, prepared)]
        case .death(let device):
            revived.remove(device)
            dead.insert(device)
            if devices[device] != nil { dying[device] = dying[device] ?? .now }
            return []
        }
    }

    /// The deaths that are due: a death overtakes what was read before it, as it is more urgent.
    /// - Parameter isThrough: whether nothing waits to be sent.
    mutating func deaths(at now: ContinuousClock.Instant, isThrough: Bool) -> [Message] {
        let due = dying.filter { _, since in
            since.duration(to: now) >= (isThrough ? Self.shortestDying : Self.longestDying)
        }
        return due.keys.sorted().map { death(of: $0) }
    }

    /// Metrics that are older than the birth has told are history: a host that takes them for news goes back in time.
    private func asHistory(_ payload: [UInt8], after birth: Birth?, _ oldest: UInt64) -> [UInt8] {
        // A clock that was set back makes nothing old.
        guard let birth, oldest < birth.newest, birth.newest <= Timestamp.now.milliseconds,
            var told = try? SparkplugPayload(payload)
        else { return payload }
        var isChanged = false
        for place in told.metrics.indices where !told.metrics[place].isHistorical {
            let metric = told.metrics[place]
            guard let alias = metric.alias, let time = metric.timestamp, let known = birth.times[alias], time < known
            else { continue }
            told.metrics[place].isHistorical = true
            isChanged = true
        }
        return isChanged ? told.bytes : payload
    }

    /// What is told of a device after its death, as a metric of the edge node in JSON: what was read, as a window that was open
    /// then, is history; an alarm is an event of now.
    private func late(_ payload: [UInt8], of device: String) -> [UInt8]? {
        guard let told = try? SparkplugPayload(payload), let metric = metrics.late(told.metrics, of: device) else {
            return nil
        }
        return SparkplugPayload(timestamp: nil, sequence: nil, metrics: [metric]).bytes
    }

    /// What was born for the sake of what is told of earlier goes again: nobody is to take it for being online.
    mutating func farewells() -> [Message] {
        defer { revived = [] }
        return revived.sorted().map { death(of: $0) }
    }

    private mutating func death(of device: String) -> Message {
        devices[device] = nil
        dying[device] = nil
        return message(.deviceDeath, device, Self.payload([]))
    }

    /// With the sequence number and the time at which it is sent: fields of a message of protobuf may stand in any order, and these
    /// are the last.
    private mutating func message(_ kind: SparkplugTopic.Kind, _ device: String?, _ payload: [UInt8]) -> Message {
        defer { sequence &+= 1 }
        let number = SparkplugPayload(
            timestamp: Timestamp.now.milliseconds, sequence: UInt64(sequence), metrics: [])
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
