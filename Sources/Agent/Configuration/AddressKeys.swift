// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Inputs
import MQTT
import Modbus
import Sparkplug
import YAMLText

/// Where on its link a device is.
enum AddressKeys {
    /// `sparkplug: GROUP/NODE`.
    static func edgeNodes(
        _ value: YAMLValue, _ link: Configuration.Link, _ linkValue: YAMLValue, _ others: [YAMLValue?],
        _ claims: Claims
    ) -> Configuration.ConfiguredDevice.Address? {
        for other in others {
            other?.problem(
                .keyNotAllowedHere, "is not allowed for edge nodes",
                fix: "remove it: `sparkplug: GROUP/NODE` is their address")
        }
        guard let nodes = SparkplugKeys.nodes(value) else { return nil }
        guard case .mqtt(_, let share, _) = link.way else {
            linkValue.problem(
                .wrongLinkProtocol, "is a Modbus link, and edge nodes need an MQTT link", fix: "name an MQTT link")
            return nil
        }
        if share != nil {
            linkValue.problem(
                .edgeNodeOnSharedLink,
                "is a link with `share`: one gateway has to receive all messages of an edge node, starting with its birth",
                fix: "add a second link to the same broker, without `share`")
        }
        if !claims.claim("edge nodes", link.name, nodes.group, nodes.node) {
            value.problem(
                .edgeNodesOverlap, "is already read by another device on the link \(link.name)",
                fix: "remove one of the two")
        }
        return .edgeNodes(nodes)
    }

    /// `unit` or `topic`, as the map and the link want it.
    static func address(
        _ map: DeviceMap, _ link: Configuration.Link, _ linkValue: YAMLValue, _ unit: YAMLValue?, _ topic: YAMLValue?,
        _ mapping: YAMLMapping
    ) -> Configuration.ConfiguredDevice.Address? {
        switch (map.form, link.way) {
        case (.modbus, .modbus(let endpoint, _)), (.sunSpec, .modbus(let endpoint, _)):
            if let topic { topic.problem(.keyNotAllowedHere, "is only for MQTT devices", fix: "remove it") }
            // A device alone on its TCP endpoint answers to any unit, by custom to 1 (and often to 255).
            return .unit(Self.unit(unit, on: endpoint))
        case (.mqtt(let form), .mqtt):
            if let unit { unit.problem(.keyNotAllowedHere, "is only for Modbus devices", fix: "remove it") }
            if topic == nil {
                mapping.problem(.missingKey, "must have `topic`", fix: "write the topic on which the device publishes")
            }
            return topic.flatMap { Self.topic($0, map, form) }.map { .topic($0) }
        case (.modbus, .mqtt), (.sunSpec, .mqtt):
            linkValue.problem(
                .wrongLinkProtocol, "is an MQTT link, and the map \(map.name) describes registers",
                fix: "name a Modbus link (`tcp` or `rtu`)")
        case (.mqtt, .modbus):
            linkValue.problem(
                .wrongLinkProtocol, "is a Modbus link, and the map \(map.name) describes messages",
                fix: "name an MQTT link")
        case (.sparkplug, _), (.computed, _): break
        }
        return nil
    }

    /// 1 to 247 are devices (MODBUS over Serial Line V1.02, 2.2), 0 is everyone on a line; over TCP 0 and 255 are the
    /// endpoint itself. libmodbus refuses the rest.
    private static func unit(_ value: YAMLValue?, on endpoint: ModbusEndpoint) -> UInt8 {
        guard let value else { return 1 }
        if endpoint.numbersAnswers, value.scalar == "0" || value.scalar == "255" {
            return value.scalar == "0" ? 0 : 255
        }
        return UInt8(value.integer(in: 1...247, "a unit ID") ?? 1)
    }

    private static func topic(_ value: YAMLValue, _ map: DeviceMap, _ form: MQTTForm) -> String? {
        guard let topic = value.string() else { return nil }
        guard TopicFilter.isValid(topic) else {
            value.problem(
                .invalidTopic, "is not a valid MQTT topic filter",
                fix: "use + for one level, and # only as the last level")
            return nil
        }
        if topic.hasPrefix("$share/") {
            value.problem(
                .sharedSubscriptionTopic, "is a shared subscription",
                fix: "write `share: NAME` at the link, and remove $share/NAME/ here")
        }
        let isWild = TopicFilter.hasWildcard(topic)
        if isWild, form.id == nil {
            value.problem(
                .topicWithoutDeviceID,
                "has a wildcard, but the map \(map.name) does not say which device sent a message",
                fix: "add to the map, under `mqtt`: id: { level: 2 } or id: { path: device.id }")
        }
        let below = MessageLayout.topics(of: map.points) + [form.presence?.topic].compactMap(\.self)
        if topic.contains("#"), below.contains(where: { !$0.isEmpty }) {
            value.problem(
                .topicLevelsDoNotFit,
                "must not end in #, because the map \(map.name) has topics below the device's topic",
                fix: "use + for the level of the device")
        } else if let rest = form.id?.rest, isWild, let first = below.first(where: { !$0.isEmpty }) {
            value.problem(
                .topicLevelsDoNotFit,
                "has subtopics (\(first)), and the map \(map.name) uses every level from \(rest) on as the device ID: one device would become several",
                fix: "write in the map id: { level: \(rest) }, or id: { levels: [...] }")
        } else if let id = form.id, isWild {
            prove(id, topic, map, form, value)
        }
        return topic
    }

    /// Every wildcard has to be a part of the id, and the id made of wildcards: else two devices are taken for one.
    private static func prove(
        _ id: MessageIdentity, _ topic: String, _ map: DeviceMap, _ form: MQTTForm, _ value: YAMLValue
    ) {
        for filter in SubscriptionCover.filters(of: map.points, form, below: topic) {
            let levels = filter.split(separator: "/", omittingEmptySubsequences: false)
            let hasRest = levels.last == "#"
            // The number of levels that # stands for is unknown, so a level counted from the end may be one of them.
            let named = id.levels.map { $0 > 0 ? $0 - 1 : hasRest ? levels.count - 1 : levels.count + $0 }
            for (place, level) in zip(named, id.levels) {
                if levels.indices.contains(place), levels[place] == "+" || levels[place] == "#" { continue }
                if hasRest, place >= levels.count - 1 { continue }
                return value.problem(
                    .topicLevelsDoNotFit,
                    "has no wildcard at level \(level), which the map \(map.name) uses as the device ID: all messages would be of one device",
                    fix: "write + at level \(level)")
            }
            // A path tells devices apart wherever they are.
            if id.path != nil { continue }
            for (place, level) in levels.enumerated() where level == "+" || level == "#" {
                if level == "+" && named.contains(place) || id.rest.map({ $0 - 1 <= place }) ?? false { continue }
                let all = levels.indices.filter { levels[$0] == "+" }.map { "\($0 + 1)" }.joined(separator: ", ")
                return value.problem(
                    .topicLevelsDoNotFit,
                    "has a wildcard at level \(place + 1), which the map \(map.name) does not use in the device ID: two devices would become one",
                    fix: "write in the map "
                        + (hasRest ? "id: { from_level: \(place + 1) }" : "id: { levels: [\(all)] }")
                        + ", or write the name of the level here")
            }
        }
    }
}
