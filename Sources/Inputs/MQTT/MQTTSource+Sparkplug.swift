// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import MQTT
import Metrics
import Sparkplug

/// What the source of a broker does for the edge nodes behind it.
extension MQTTSource {
    /// Tells edge nodes that set up this gateway as their primary host whether it is there.
    func tellState(isOnline: Bool, _ connection: borrowing MQTTConnection) throws(MQTTError) {
        guard let hostState else { return }
        isStateDoubted = false
        isStateTold = isOnline
        // A death by intent has a time of its own; that of the will is the birth's.
        let state = isOnline ? hostState : hostState.ended(at: .now)
        try connection.publish(topic: state.topic, payload: state.payload(isOnline: isOnline), qos: 1, retain: true)
    }

    /// Only a host that hears its nodes is online: they send it then what they kept.
    func tellState(granted: Set<String>, _ connection: borrowing MQTTConnection) throws(MQTTError) {
        guard let hostState else { return }
        let isListening = (sparkplug.filters + [hostState.topic]).allSatisfy(granted.contains)
        if isListening != isStateTold { try tellState(isOnline: isListening, connection) }
    }

    /// - Returns: whether the message was for this.
    func takeOfNodes(_ message: MQTTMessage, _ now: MessageRouter.Arrival, into batch: inout Batch) -> Bool {
        if let hostState, message.topic == hostState.topic {
            isStateDoubted = isStateTold && hostState.isContradicted(by: message.payload)
            return true
        }
        guard nodeMeasures != nil else { return false }
        let before = batch.events.count
        defer { warnOfTimes(in: batch.events.dropFirst(before)) }
        do throws(SparkplugNode.Refusal) {
            return try sparkplug.take(message, at: now, into: &batch)
        } catch {
            refuse(message, error, at: now)
            return true
        }
    }

    private func refuse(_ message: MQTTMessage, _ refusal: SparkplugNode.Refusal, at now: MessageRouter.Arrival) {
        measures.refused(refusal).increment()
        logger.debug("message refused", metadata: ["topic": "\(message.topic)", "error": "\(refusal.rawValue)"])
        let node = SparkplugTopic(message.topic).map { "\($0.node.group)/\($0.node.node)" } ?? message.topic
        func warn(_ kind: Warning.Kind, _ text: String, next: String) {
            settings.warnings.warn(
                kind, of: "\(node) (\(refusal.rawValue))", "a message on \(message.topic) gave no reading: " + text,
                next: next)
        }
        switch refusal {
        // These happen when connections are lost; the node is asked for its birth where that is missing.
        case .unborn, .staleBirth, .staleDeath: break
        case .malformed:
            warn(.messageRefused, "it is not a Sparkplug B payload", next: "check what else publishes on this topic")
        case .unreadable:
            warn(
                .messageRefused, "it has no metric that can be read; the gateway requests the birth of the edge node",
                next: "let the edge node send its payloads without compression")
        case .retained:
            warn(
                .messageRefused, "the broker kept it, and its age is unknown",
                next: "let the edge node publish without retain, and remove the retained message from the broker")
        case .tooManyDevices:
            warn(
                .tooManyDevices, "it comes from one edge node or device more than the gateway keeps",
                next: "name the edge nodes, as GROUP/NODE, instead of a +")
            collector.lose(1, .tooManyDevices, at: now.time)
        }
    }

    private func warnOfTimes(in events: ArraySlice<Batch.Event>) {
        for event in events where event.origin.isTimeRefused {
            measures.refusedTimes.increment()
            settings.warnings.warn(
                .deviceTime, of: sparkplug.catalog.contents[event.device]?.id ?? "",
                "the time of the edge node is before 2001 or too far in the future: the gateway uses the time of arrival",
                next: "set the node's clock")
        }
    }

    /// Asks for births that are missing and says again that this gateway is there, where a will of an earlier
    /// connection came after it.
    func speakToNodes(_ connection: borrowing MQTTConnection) throws(MQTTError) {
        guard let nodeMeasures else { return }
        // What is sent is told of, and nobody asks.
        _ = connection.takeSettled()
        let now = MessageRouter.Arrival()
        guard lookedForNodes.duration(to: now.instant) >= .milliseconds(500) else { return }
        lookedForNodes = now.instant
        if isStateDoubted { try tellState(isOnline: true, connection) }
        var batch = Batch()
        let lost = nodesJudgedFrom <= now.instant ? sparkplug.tick(now, into: &batch) : 0
        if lost > 0 {
            nodeMeasures.lost.increment(by: lost)
            logger.warning(
                .sparkplugMessagesLost, "Messages of edge nodes are lost; the gateway requests their births",
                metadata: ["messages": "\(lost)"])
        }
        if !batch.isEmpty { collector.take(&batch) }
        nodeMeasures.unread.record(sparkplug.unread)
        // The birth of a host is the first message that it sends (Sparkplug 3.0.0, 4.2.3.1). A host whose subscriptions the
        // broker refuses has no birth, and asks its nodes all the same.
        guard hostState == nil || isSubscriptionAnswered else { return }
        for request in sparkplug.requests(at: now) {
            nodeMeasures.rebirths.increment()
            logger.info("birth requested", metadata: ["topic": "\(request.topic)"])
            try connection.publish(topic: request.topic, payload: request.payload, qos: 0, retain: false)
        }
    }
}
