// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import YAMLText

/// Which devices and which of their points something in the configuration is meant for.
public struct Selection: Sendable {
    /// Empty for all, as the next.
    public var devices: [NamePattern] = []
    public var maps: [NamePattern] = []
    public var points: [NamePattern] = []
    public var tags: [Device.Tag] = []

    public init() {}

    /// Whether it says nothing of devices.
    var isOfAllDevices: Bool { devices.isEmpty && maps.isEmpty && tags.isEmpty }

    /// - Parameter device: one of many that a configured one stands for is named after it: `NAME.ID`.
    func isMeant(for device: Device) -> Bool {
        let name = device.id.prefix { $0 != "." }
        return Self.isOne(devices) { $0.matches(device.id) || $0.matches(String(name)) }
            && Self.isOne(maps) { $0.matches(device.map) } && tags.allSatisfy(device.tags.contains)
    }

    func isMeant(for point: String) -> Bool { Self.isOne(points) { $0.matches(point) } }

    private static func isOne(_ patterns: [NamePattern], _ isMatch: (NamePattern) -> Bool) -> Bool {
        patterns.isEmpty || patterns.contains(where: isMatch)
    }
}

extension Selection {
    /// - Parameter hasPoints: whether `points` is one of its keys.
    init(_ mapping: YAMLMapping, hasPoints: Bool = true) {
        devices = Self.patterns(mapping.take("devices"))
        maps = Self.patterns(mapping.take("maps"))
        if hasPoints { points = Self.patterns(mapping.take("points")) }
        tags = (mapping.take("tags")?.mapping()?.all() ?? []).compactMap { key, value in
            value.string().map { Device.Tag(name: key.scalar ?? "", value: $0) }
        }
    }

    /// One, or several.
    private static func patterns(_ value: YAMLValue?) -> [NamePattern] {
        guard let value else { return [] }
        let all = value.scalar == nil ? value.sequence() ?? [] : [value]
        return all.compactMap { $0.string().map(NamePattern.init) }
    }

    /// The points of devices that it is meant for; a mistake where there are none. Which points those have that describe
    /// themselves nobody knows.
    /// - Parameter areAll: whether no device is missing.
    func meantPoints(
        of meant: [Configuration.ConfiguredDevice], _ entry: YAMLValue, areAll: Bool
    ) -> [(device: Configuration.ConfiguredDevice, point: Point)] {
        let points = meant.flatMap { device in
            device.map.points.filter { isMeant(for: $0.name) }.map { (device, $0) }
        }
        if points.isEmpty, !meant.isEmpty, areAll, !meant.contains(where: \.describesItself) {
            entry.problem(.selectsNoPoint, "selects no point", fix: "correct `points`; * matches any part of a name")
        }
        return points
    }

    /// The devices that it is meant for; a mistake where there are none.
    /// - Parameter areAll: whether no device is missing among them.
    func meant(
        _ all: [Configuration.ConfiguredDevice], _ entry: YAMLValue, areAll: Bool
    ) -> [Configuration.ConfiguredDevice] {
        let meant = all.filter { isMeant(for: $0.described) }
        if meant.isEmpty, areAll {
            entry.problem(
                .selectsNoDevice, "selects no device",
                fix: "correct `devices`, `maps` and `tags`; * matches any part of a name")
        }
        return meant
    }
}
