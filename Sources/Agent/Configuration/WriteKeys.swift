// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import MQTT
import YAMLText

/// The `writes` of a configuration: which devices may be written, and who may ask for it beside `headgate write`.
struct WriteKeys {
    let links: [Configuration.Link]
    let devices: [Configuration.ConfiguredDevice]
    /// Of all that are written, those with mistakes of their own too.
    let names: Set<String>

    func writes(_ mapping: YAMLMapping) -> Configuration.Writes {
        var writes = Configuration.Writes()
        if let list = mapping.take("devices") {
            writes.devices = Set((list.sequence() ?? []).compactMap(device))
        } else {
            mapping.problem(
                .missingKey, "must have `devices`", fix: "name the devices that may be written: devices: [heater-1]")
        }
        if let commands = mapping.take("commands")?.mapping() { writes.commands = self.commands(commands) }
        mapping.finish()
        return writes
    }

    private func device(_ value: YAMLValue) -> String? {
        guard let name = value.string() else { return nil }
        guard let device = devices.first(where: { $0.name == name }) else {
            if names.contains(name) { return nil }
            let nearest = Spelling.nearest(to: name, among: names.sorted())
            value.problem(
                .unknownDevice, "is not the name of a device",
                fix: nearest.map { "did you mean \($0)?" } ?? "add it under `devices`")
            return nil
        }
        if !device.map.points.contains(where: { $0.writable != nil }) {
            value.problem(
                .nothingWritable,
                "has no point that can be written: no point of the map \(device.map.name) is `writable`",
                fix: "remove the device, or write in the map which points are `writable`")
        }
        return name
    }

    private func commands(_ mapping: YAMLMapping) -> Configuration.Writes.Commands? {
        defer { mapping.finish() }
        let link = mapping.require("link", fix: "name an mqtt link").flatMap(broker)
        let topic = mapping.require("topic", fix: "name the topic: topic: headgate/press-shop-3/commands")
            .flatMap(Self.topic)
        let longest = mapping.take("max_deadline").flatMap(Self.deadline)
        guard let link, let topic else { return nil }
        var commands = Configuration.Writes.Commands(link: link, topic: topic)
        if let longest { commands.longestDeadline = longest }
        return commands
    }

    private static func deadline(_ value: YAMLValue) -> Int64? {
        guard let longest = value.duration(atLeast: 1_000_000) else { return nil }
        if longest > 7 * 86_400_000_000 {
            value.problem(
                .valueOutOfBounds, "must be at most 7d: the gateway keeps the ID of each command until its deadline")
        }
        return longest
    }

    private func broker(_ value: YAMLValue) -> String? {
        guard let name = value.string() else { return nil }
        if let way = links.first(where: { $0.name == name })?.way, case .mqtt = way { return name }
        value.problem(
            .wrongLinkProtocol, "is not the name of an MQTT link",
            fix: "name the link whose broker receives the commands")
        return nil
    }

    private static func topic(_ value: YAMLValue) -> String? {
        guard let text = value.string() else { return nil }
        if TopicFilter.isValid(text), !text.contains("+"), !text.contains("#"), !text.hasPrefix("$share/") {
            return text
        }
        value.problem(.invalidTopic, "must be one topic", fix: "remove + and #")
        return nil
    }
}
