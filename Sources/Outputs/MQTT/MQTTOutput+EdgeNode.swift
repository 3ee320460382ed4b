// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging
import MQTT

/// The session of an edge node of Sparkplug B at the broker: births, deaths, and what the host asks.
extension MQTTOutput {
    enum Publication {
        case sent(Int32)
        /// Nothing is to be sent.
        case said(Verdict)
    }

    /// A birth or a death, which the broker has to take.
    func publish(_ message: EdgeNode.Message) throws(MQTTError) {
        if let id = try send(message) { unanswered.insert(id) }
    }

    private func send(_ message: EdgeNode.Message) throws(MQTTError) -> Int32? {
        try message.payload.withUnsafeBufferPointer { payload throws(MQTTError) in
            try connection?.publish(
                topic: message.topic, payload: UnsafeRawBufferPointer(payload), qos: edgeNode?.qos ?? 1, retain: false,
                contentType: nil)
        }
    }

    /// What the broker has answered. Without a birth that it refused, what comes after it means nothing.
    func takeSettled() throws(MQTTError) -> [(id: Int32, reason: Int32)] {
        let settled = connection?.takeSettled() ?? []
        for (id, reason) in settled where unanswered.remove(id) != nil && reason >= 128 {
            throw MQTTError(.reconnect, "the broker refuses a birth (reason \(reason))")
        }
        return settled
    }

    func publish(
        _ message: Outgoing.Message, _ role: SparkplugRole, of window: Outgoing
    ) throws(MQTTError) -> Publication {
        let payload = window.withPayload(of: message) { Array($0) }
        guard let messages = edgeNode?.messages(for: role, payload: payload, isBacklog: message.isBacklog) else {
            return .said(.rejected("the birth of \(message.key) is larger than the broker takes"))
        }
        guard let last = messages.last else { return .said(.delivered) }
        do throws(MQTTError) {
            for message in messages.dropLast() { try publish(message) }
        } catch {
            // Without its birth an event means nothing: it is not the event that is refused.
            throw MQTTError(.reconnect, "the birth of \(message.key): \(error)")
        }
        return try send(last).map { .sent($0) } ?? .said(.failed("the connection ended"))
    }

    /// Listens to what an edge node is told; only then is it born.
    func listen(until deadline: ContinuousClock.Instant) throws(MQTTError) {
        try connection?.subscribe(edgeNode?.filters ?? [])
        while true {
            try exchange(milliseconds: 20)
            if let granted = connection?.takeSubscribed() {
                if granted.contains(false) {
                    throw MQTTError(.reconnect, "not authorised to listen to commands for the edge node")
                }
                break
            }
            if ContinuousClock.now > deadline || Task.isCancelled {
                throw MQTTError(.reconnect, "the broker did not answer SUBSCRIBE")
            }
        }
        // What the host says of itself is retained, and comes at once.
        let patience = ContinuousClock.now + .seconds(1)
        while edgeNode?.hindrance != nil, ContinuousClock.now < patience, !Task.isCancelled {
            try exchange(milliseconds: 20)
            try obey()
        }
        try appear()
    }

    private func appear() throws(MQTTError) {
        guard let node = edgeNode, node.hindrance == nil, !node.isBorn else { return }
        for message in edgeNode?.births() ?? [] { try publish(message) }
    }

    /// Does what the edge node was told since.
    func obey() throws(MQTTError) {
        var isRebirthWanted = false
        for message in connection?.takeMessages() ?? [] {
            switch edgeNode?.order(message) {
            case .rebirth: isRebirthWanted = true
            case .hostIsOnline(true): try appear()
            case .hostIsOnline(false):
                // The edge node is offline until the host is back, here or at another broker.
                let reason = "the primary host went offline"
                leaveBroker(reason)
                throw MQTTError(.reconnect, reason)
            case nil: break
            }
        }
        // However often it was asked. While its host is not there nothing is sent, whoever asks.
        guard isRebirthWanted, edgeNode?.hindrance == nil else { return }
        logger.info("birth sent again on request")
        for message in edgeNode?.births() ?? [] { try publish(message) }
    }

    /// Ends the connection, and with it the session of an edge node that was born: it publishes its death (Sparkplug 3.0.0, 5.5),
    /// and with MQTT 5 it has the broker publish the will (6.4.25). Hosts ignore the second death: it has the same bdSeq.
    func leave() {
        let death = edgeNode?.isBorn ?? false ? edgeNode?.death() : nil
        if let death { try? publish(death) }
        try? exchange(milliseconds: 0)
        connection?.disconnect(publishesWill: death != nil)
    }
}
