// Headgate
// SPDX-License-Identifier: Apache-2.0

import CMosquitto
import Glibc

/// What libmosquitto's callbacks leave for the owner of the connection.
///
/// The callbacks fire only inside the owner's own calls, so nothing here is shared between threads.
public final class MQTTInbox {
    public enum State: Equatable {
        case idle
        case connecting
        case connected(sessionPresent: Bool)
        case disconnected(reason: String)
    }

    private(set) var state = State.idle
    /// Whether the broker has refused the connection in its CONNACK.
    private(set) var isRefused = false
    private(set) var maximumPacketSize: UInt32?
    /// The first error in the library's log since the connection was begun: what follows from it says less.
    private(set) var complaint: String?
    private let payloadLimit: Int
    private var messages: [MQTTMessage] = []
    /// Of the messages not yet taken.
    private(set) var payloadBytes = 0
    private var refused: [String] = []
    /// Whether the library has logged that the next message is one that the broker sent before.
    private var isRedelivery = false
    private var settledMessages: [(id: Int32, reason: Int32)] = []
    /// The messages that ask for subscriptions, in the order of their filters, and what was answered to each.
    private var subscribing: [Int32] = []
    private var subscribed: [Int32: [Bool]] = [:]
    /// Whether the broker tells for which subscription it sends a message.
    private(set) var hasSubscriptionIdentifiers = true

    init(payloadLimit: Int) {
        self.payloadLimit = payloadLimit
    }

    static func from(_ object: UnsafeMutableRawPointer?) -> MQTTInbox? {
        object.map { Unmanaged<MQTTInbox>.fromOpaque($0).takeUnretainedValue() }
    }

    func connectionStarts() {
        state = .connecting
        isRefused = false
        complaint = nil
        messages.removeAll()
        payloadBytes = 0
        settledMessages.removeAll()
        subscribing.removeAll()
        subscribed.removeAll()
    }

    func connected(
        reason: Int32, sessionPresent: Bool, maximumPacketSize: UInt32?, hasSubscriptionIdentifiers: Bool
    ) {
        guard reason == 0 else {
            // 3.1.1 counts its refusals 1…5, MQTT 5 from 128.
            isRefused = true
            let text = reason < 128 ? mosquitto_connack_string(reason) : mosquitto_reason_string(reason)
            state = .disconnected(reason: text.map { String(cString: $0) } ?? "refused (\(reason))")
            return
        }
        self.maximumPacketSize = maximumPacketSize
        self.hasSubscriptionIdentifiers = hasSubscriptionIdentifiers
        state = .connected(sessionPresent: sessionPresent)
    }

    func disconnected(reason: Int32) {
        // A refusal to connect says why better than the end of the connection that follows it.
        if case .disconnected = state { return }
        let text = reason < 128 ? mosquitto_strerror(reason) : mosquitto_reason_string(reason)
        state = .disconnected(reason: text.map { String(cString: $0) } ?? "closed (\(reason))")
    }

    /// What the library says of TLS is in its log alone.
    func complained(_ text: String) {
        // OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed
        complaint = complaint ?? text.split(separator: ":").last.map(String.init)
    }

    /// The library keeps the DUP flag to itself, but for its log, where a message stands before it is handed over.
    func logged(_ text: UnsafePointer<CChar>) {
        if strstr(text, " received PUBLISH (d1,") != nil { isRedelivery = true }
    }

    func received(_ message: mosquitto_message, _ properties: OpaquePointer?) {
        defer { isRedelivery = false }
        let count = Int(message.payloadlen)
        guard count >= 0, count <= payloadLimit, let topic = message.topic else {
            refused.append(message.topic.map { String(cString: $0) } ?? "")
            return
        }
        payloadBytes += count
        messages.append(
            MQTTMessage(
                topic: String(cString: topic),
                payload: [UInt8](UnsafeRawBufferPointer(start: message.payload, count: count)),
                retained: message.retain, redelivered: isRedelivery, subscriptions: Self.subscriptions(properties)))
    }

    private static func subscriptions(_ properties: OpaquePointer?) -> [Int] {
        var numbers: [Int] = []
        var (number, place) = (UInt32(0), properties)
        // From the one that was found on, the next.
        while true {
            place = mosquitto_property_read_varint(
                place, Int32(MQTT_PROP_SUBSCRIPTION_IDENTIFIER.rawValue), &number, !numbers.isEmpty)
            guard place != nil, numbers.count < 1_000 else { return numbers }
            numbers.append(Int(number))
        }
    }

    func settled(id: Int32, reason: Int32) {
        settledMessages.append((id, reason))
    }

    func subscribes(_ messages: [Int32]) {
        subscribing = messages
        subscribed.removeAll()
    }

    func subscribed(_ message: Int32, _ granted: UnsafeBufferPointer<Int32>) {
        // 128 and above: refused (MQTT 3.1.1, 3.9.3).
        subscribed[message] = granted.map { $0 < 128 }
    }

    func takeMessages() -> [MQTTMessage] {
        defer {
            messages.removeAll(keepingCapacity: true)
            payloadBytes = 0
        }
        return messages
    }

    func takeRefused() -> [String] {
        defer { refused.removeAll() }
        return refused
    }

    func takeSettled() -> [(id: Int32, reason: Int32)] {
        defer { settledMessages.removeAll(keepingCapacity: true) }
        return settledMessages
    }

    /// Nil until all are answered.
    func takeSubscribed() -> [Bool]? {
        let answers = subscribing.compactMap { subscribed[$0] }
        guard !subscribing.isEmpty, answers.count == subscribing.count else { return nil }
        subscribing.removeAll()
        return answers.flatMap(\.self)
    }
}
