// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A window of messages, ready to be sent, in one buffer.
public struct Outgoing: Sendable {
    public struct Message: Sendable {
        public var topic: String
        /// The device: brokers keep the order of what has the same key.
        public var key: String
        /// The message in `bytes`.
        public var payload: Range<Int>
        public var time: Timestamp
        /// Newer ones may have been sent already.
        public var isBacklog: Bool
        public var contentType: String?
        /// CloudEvents attributes, where the format puts them beside the payload.
        public var attributes: [(name: String, value: String)]
        /// How many events it tells.
        public var events = 1
        /// What it is to the session of an edge node of Sparkplug; nil elsewhere.
        var role: SparkplugRole?

        /// The event's id, where it is beside the payload.
        var id: String? { attributes.first { $0.name == "ce_id" }?.value }
    }

    public fileprivate(set) var messages: [Message] = []
    /// Whether all are of a topic that was refused: before they are sent, the broker is asked for it.
    public let isOfHeldTopic: Bool
    fileprivate var buffer = ByteWriter()

    public init(isOfHeldTopic: Bool = false) {
        self.isOfHeldTopic = isOfHeldTopic
    }

    public var bytes: [UInt8] { buffer.bytes }

    public mutating func reserve(_ bytes: Int) { buffer.reserve(bytes) }

    public func withPayload<Result, Failure: Error>(
        of message: Message, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.withUnsafeBufferPointer { bytes throws(Failure) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[message.payload])))
        }
    }
}

/// Which topics a window is of.
public enum TopicSelection: Sendable {
    case all
    case allBut(TopicSet)
    case only(TopicSet)
}

/// Turns stored events into messages for one output.
public struct Renderer: Sendable {
    /// What is in a payload.
    public enum Format: Sendable {
        case json
        /// By the records of maps, behind the number that a registry has given to each.
        case avro([String: [PointField]], SchemaNumbers)
        case sparkplug(SparkplugMetrics)
        /// Many events in a message, by columns.
        case block
    }

    private let topic: TopicTemplate
    /// Whether it may have several topics: then one that the broker refuses need not stop the others.
    public var hasSeveralTopics: Bool { topic.isOfSeveral }
    private let gateway: String
    private let catalog: Catalog
    private let hasAttributes: Bool
    private let allowed: AllowList?
    private var json: EventJSON
    private var avro: AvroMessages?
    private var sparkplug: SparkplugMessages?
    private var blocks: BlockMessages?

    /// - Parameters:
    ///   - hasAttributes: whether the attributes of a CloudEvent are beside the payload (its Kafka Protocol Binding 1.0.2,
    ///     3.2) and not in it.
    ///   - allowed: what it may tell; nil for everything.
    ///   - units: by the unit that something is in, another that it is told in.
    public init(
        _ format: Format, hasAttributes: Bool, topic: TopicTemplate, gateway: String, catalog: Catalog,
        allowed: AllowList? = nil, units: [String: UnitChange] = [:]
    ) {
        self.hasAttributes = hasAttributes
        self.topic = topic
        self.gateway = gateway
        self.catalog = catalog
        self.allowed = allowed
        json = EventJSON(gateway: gateway, catalog: catalog, tags: allowed?.tags, units: units)
        switch format {
        case .json: break
        case .block:
            blocks = BlockMessages(
                EventBlock(gateway: gateway, catalog: catalog, tags: allowed?.tags, units: units))
        case .sparkplug(let metrics): sparkplug = SparkplugMessages(metrics: metrics)
        case .avro(let fields, let numbers):
            avro = AvroMessages(
                encoder: EventAvro(
                    gateway: gateway, catalog: catalog, fields: fields, tags: allowed?.tags, units: units),
                numbers: numbers)
        }
    }

    /// What became of an event in a window.
    public enum Addition {
        /// A message has it; how many readings of a device it tells.
        case added(readings: Int)
        /// It is not for this output, or not of the topic that is wanted.
        case passed
        /// Its topic is held.
        case left(Topic)
    }

    /// Adds an event to a window.
    /// - Parameter topics: which topics the window is of.
    @discardableResult
    public mutating func add(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, isBacklog: Bool = false,
        topics: TopicSelection = .all, to out: inout Outgoing
    ) throws(UnknownSchema) -> Addition {
        var (told, part) = (event, batch)
        if let allowed {
            guard let allowedPart = allowed.part(of: event, batch, catalog.contents) else { return .passed }
            (told, part) = allowedPart
        }
        func topic(in set: TopicSet) -> Topic? {
            set.topic(told.kind, lane: id.lane, device: catalog.contents[told.device], gateway: gateway)
        }
        switch topics {
        case .all: break
        case .allBut(let held): if let topic = topic(in: held) { return .left(topic) }
        case .only(let wanted): if topic(in: wanted) == nil { return .passed }
        }
        try put(told, of: part, id: id, isReplayed: isReplayed, isBacklog: isBacklog, to: &out)
        return .added(readings: told.measured)
    }

    /// The topic that has a name now.
    public func topic(named name: String) -> Topic {
        // The gateway may be renamed, too.
        Topic(name: name, template: topic.text.replacing("{gateway}", with: gateway))
    }

    private mutating func put(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, isBacklog: Bool, to out: inout Outgoing
    ) throws(UnknownSchema) {
        if let sparkplug {
            put(event, of: batch, id: id, isReplayed: isReplayed, isBacklog: isBacklog, sparkplug, to: &out)
            return
        }
        let topic = topic.text(event.kind, lane: id.lane, device: catalog.contents[event.device], gateway: gateway)
        if blocks != nil {
            addToBlock(event, of: batch, id: id, isReplayed: isReplayed, isBacklog: isBacklog, topic: topic, to: &out)
            return
        }
        let start = out.buffer.count
        if avro != nil {
            try avro?.write(
                event, of: batch, id: json.id(id), isReplayed: isReplayed, topic: topic, to: &out.buffer)
        } else if hasAttributes {
            json.writeData(event, of: batch, isReplayed: isReplayed, to: &out.buffer)
        } else {
            json.writeEnvelope(event, of: batch, id: id, isReplayed: isReplayed, to: &out.buffer)
        }
        let subject = json.subject(of: event)
        out.messages.append(
            Outgoing.Message(
                topic: topic, key: subject, payload: start..<out.buffer.count, time: event.time, isBacklog: isBacklog,
                contentType: contentType, attributes: hasAttributes ? attributes(event, id: id, subject: subject) : []))
    }

    private mutating func put(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, isBacklog: Bool,
        _ sparkplug: SparkplugMessages, to out: inout Outgoing
    ) {
        let (role, topic, payload) = sparkplug.message(
            event, of: batch, isReplayed: isReplayed, isBacklog: isBacklog, catalog.contents
        ) { String(decoding: envelope(event, of: batch, id: id, isReplayed: isReplayed), as: UTF8.self) }
        let start = out.buffer.count
        out.buffer.raw(payload)
        out.messages.append(
            Outgoing.Message(
                topic: topic, key: json.subject(of: event), payload: start..<out.buffer.count, time: event.time,
                isBacklog: isBacklog, contentType: nil, attributes: [], role: role))
    }

    private mutating func envelope(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool
    ) -> [UInt8] {
        var out = ByteWriter()
        json.writeEnvelope(event, of: batch, id: id, isReplayed: isReplayed, to: &out)
        return out.bytes
    }

    private mutating func addToBlock(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, isBacklog: Bool, topic: String,
        to out: inout Outgoing
    ) {
        if blocks?.isFull(for: topic) ?? false { close(&out) }
        let isTold = blocks?.add(
            event, of: batch, id: id, isReplayed: isReplayed, isBacklog: isBacklog, topic: topic)
        if isTold == false {
            let json = envelope(event, of: batch, id: id, isReplayed: isReplayed)
            blocks?.add(json: json, id: id)
        }
    }

    /// What became of a window, where a message of several events is refused: it is told again in smaller ones, so that only
    /// what is itself too large, or wrong, is given up.
    public mutating func judge(_ outcome: SendOutcome, of window: Outgoing) -> SendOutcome {
        guard let refused = outcome.rejected.first(where: { window.messages[$0.message].events > 1 }) else {
            if outcome.settled > 0 { blocks?.grow() }
            return outcome
        }
        blocks?.most = max(1, window.messages[refused.message].events / 2)
        return outcome.first(refused.message, failure: nil)
    }

    /// Ends a window: what is told together becomes messages.
    public mutating func close(_ out: inout Outgoing) {
        guard let message = blocks?.close() else { return }
        let start = out.buffer.count
        out.buffer.raw(message.payload)
        out.messages.append(
            Outgoing.Message(
                topic: message.topic, key: gateway, payload: start..<out.buffer.count, time: message.time,
                isBacklog: message.isBacklog, contentType: contentType,
                attributes: hasAttributes ? [("content-type", contentType)] : [], events: message.events))
    }

    private mutating func attributes(
        _ event: Batch.Event, id: EventID, subject: String
    ) -> [(name: String, value: String)] {
        [
            ("ce_specversion", "1.0"), ("ce_id", json.id(id)), ("ce_source", json.source(of: event)),
            ("ce_type", event.kind.type), ("ce_subject", subject), ("ce_time", event.time.iso8601),
            ("content-type", contentType),
        ]
    }

    private var contentType: String {
        if avro != nil { return "application/avro" }
        if blocks != nil { return "application/vnd.headgate.block" }
        return hasAttributes ? "application/json" : "application/cloudevents+json"
    }
}
