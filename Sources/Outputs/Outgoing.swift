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
        /// CloudEvents attributes, where the format puts them beside the payload.
        public var attributes: [(name: String, value: String)]

        /// The event's id, where it is beside the payload.
        var id: String? { attributes.first { $0.name == "ce_id" }?.value }
    }

    public fileprivate(set) var messages: [Message] = []
    fileprivate var buffer = ByteWriter()

    public init() {}

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

/// Turns stored events into messages for one output.
public struct Renderer: Sendable {
    public enum Mode: Sendable {
        /// The whole CloudEvent in the payload.
        case structured
        /// The data in the payload, the attributes beside it (CloudEvents Kafka Protocol Binding 1.0.2, 3.2).
        case binary
    }

    private let mode: Mode
    private let topic: TopicTemplate
    private let gateway: String
    private let catalog: Catalog
    private var json: EventJSON

    /// - Parameter units: by the unit that something is in, another that it is told in.
    public init(
        mode: Mode, topic: TopicTemplate, gateway: String, catalog: Catalog, units: [String: UnitChange] = [:]
    ) {
        self.mode = mode
        self.topic = topic
        self.gateway = gateway
        self.catalog = catalog
        json = EventJSON(gateway: gateway, catalog: catalog, units: units)
    }

    /// Adds an event to a window.
    public mutating func add(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, isBacklog: Bool = false,
        to out: inout Outgoing
    ) {
        let start = out.buffer.count
        switch mode {
        case .structured: json.writeEnvelope(event, of: batch, id: id, isReplayed: isReplayed, to: &out.buffer)
        case .binary: json.writeData(event, of: batch, isReplayed: isReplayed, to: &out.buffer)
        }
        let subject = json.subject(of: event)
        out.messages.append(
            Outgoing.Message(
                topic: topic.text(event, lane: id.lane, device: catalog.contents[event.device], gateway: gateway),
                key: subject, payload: start..<out.buffer.count, time: event.time, isBacklog: isBacklog,
                attributes: mode == .binary ? attributes(event, id: id, subject: subject) : []))
    }

    private mutating func attributes(
        _ event: Batch.Event, id: EventID, subject: String
    ) -> [(name: String, value: String)] {
        [
            ("ce_specversion", "1.0"), ("ce_id", json.id(id)), ("ce_source", json.source(of: event)),
            ("ce_type", event.kind.type), ("ce_subject", subject), ("ce_time", event.time.iso8601),
            ("content-type", "application/json"),
        ]
    }
}
