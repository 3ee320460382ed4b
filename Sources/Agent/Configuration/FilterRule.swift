// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What an entry of `filters` in the configuration changes of what maps say, and for which points.
public struct FilterRule: Sendable {
    /// Empty for all, as the next.
    public var devices: [NamePattern] = []
    public var maps: [NamePattern] = []
    public var points: [NamePattern] = []
    public var tags: [Device.Tag] = []
    public var changes: [Filters.Change] = []

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

extension [FilterRule] {
    /// How a point of a device is filtered: as its map says, changed by each entry that is meant for it, the last one last.
    func filters(of point: Point, _ device: Device) -> Filters {
        filters(of: point.name, device, from: point.filters, isNumber: point.isNumber)
    }

    /// - Parameter isNumber: false where what is for numbers only means nothing.
    func filters(of point: String, _ device: Device, from filters: Filters, isNumber: Bool) -> Filters {
        var filters = filters
        for rule in self where rule.isMeant(for: device) && rule.isMeant(for: point) {
            for change in rule.changes where isNumber || !change.isOfNumbers { filters.apply(change) }
        }
        return filters
    }
}
