// Headgate
// SPDX-License-Identifier: Apache-2.0

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
            other?.problem("is not for edge nodes", fix: "leave it out: sparkplug: GROUP/NODE says where they are")
        }
        guard let nodes = SparkplugKeys.nodes(value) else { return nil }
        guard case .mqtt(_, let share, _) = link.way else {
            linkValue.problem("is a Modbus link, and edge nodes are behind a broker", fix: "name an mqtt link")
            return nil
        }
        if share != nil {
            linkValue.problem(
                "is shared, and what an edge node says has to be heard by one gateway from its birth on",
                fix: "make a link of its own to the same broker")
        }
        if !claims.claim("edge nodes", link.name, nodes.group, nodes.node) {
            value.problem("is listened to already, by another device of \(link.name)", fix: "leave one of them out")
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
            if let topic { topic.problem("is of MQTT devices", fix: "leave it out") }
            // A device alone on its TCP endpoint answers to any unit, by custom to 1 (and often to 255).
            return .unit(Self.unit(unit, on: endpoint))
        case (.mqtt(let form), .mqtt):
            if let unit { unit.problem("is of Modbus devices", fix: "leave it out") }
            if topic == nil { mapping.problem("needs `topic`", fix: "name the topic that the device publishes under") }
            return topic.flatMap { Self.topic($0, map, form) }.map { .topic($0) }
        case (.modbus, .mqtt), (.sunSpec, .mqtt):
            linkValue.problem("is a broker, and \(map.name) is a map of registers", fix: "name a tcp or rtu link")
        case (.mqtt, .modbus):
            linkValue.problem("is a Modbus link, and \(map.name) is a map of messages", fix: "name an mqtt link")
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
        return UInt8(value.integer(in: 1...247, "a unit") ?? 1)
    }

    private static func topic(_ value: YAMLValue, _ map: DeviceMap, _ form: MQTTForm) -> String? {
        guard let topic = value.string() else { return nil }
        guard TopicFilter.isValid(topic) else {
            value.problem("is not a topic that MQTT allows", fix: "+ stands for one level, # for the rest at the end")
            return nil
        }
        if topic.hasPrefix("$share/") {
            value.problem("is a shared subscription", fix: "write share: NAME at the link, and leave out $share/NAME/")
        }
        let isWild = TopicFilter.hasWildcard(topic)
        if isWild, form.id == nil {
            value.problem(
                "has a wildcard, but \(map.name) does not say which device a message is of",
                fix: "add to the map, under mqtt: id: { level: 2 } or id: { path: device.id }")
        }
        let below = MessageLayout.topics(of: map.points) + [form.presence?.topic].compactMap(\.self)
        if topic.contains("#"), below.contains(where: { !$0.isEmpty }) {
            value.problem("cannot end in # where the map has topics below it", fix: "use + for the device's level")
        } else if let rest = form.id?.rest, isWild, let first = below.first(where: { !$0.isEmpty }) {
            value.problem(
                "has messages below it (\(first)), and \(map.name) takes all from level \(rest) on into the device's id",
                fix:
                    "one device would become several: write in the map id: { level: \(rest) }, or id: { levels: [...] }"
            )
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
                    "has no wildcard at level \(level), where \(map.name) takes the device's id from",
                    fix: "every device would be the same one: put the + there")
            }
            // A path tells devices apart wherever they are.
            if id.path != nil { continue }
            for (place, level) in levels.enumerated() where level == "+" || level == "#" {
                if level == "+" && named.contains(place) || id.rest.map({ $0 - 1 <= place }) ?? false { continue }
                let all = levels.indices.filter { levels[$0] == "+" }.map { "\($0 + 1)" }.joined(separator: ", ")
                return value.problem(
                    "has a wildcard at level \(place + 1) that \(map.name) does not take into the device's id",
                    fix: "two devices would become one: write in the map "
                        + (hasRest ? "id: { from_level: \(place + 1) }" : "id: { levels: [\(all)] }")
                        + ", or name the level here")
            }
        }
    }
}
