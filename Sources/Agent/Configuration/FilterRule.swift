// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What an entry of `filters` in the configuration changes of what maps say, and for which points.
public struct FilterRule: Sendable {
    public var selection = Selection()
    public var changes: [Filters.Change] = []
}

extension [FilterRule] {
    /// How a point of a device is filtered: as its map says, changed by each entry that is meant for it, the last one last.
    func filters(of point: Point, _ device: Device) -> Filters {
        filters(of: point.name, device, from: point.filters, isNumber: point.isNumber)
    }

    /// - Parameter isNumber: false where what is for numbers only means nothing.
    func filters(of point: String, _ device: Device, from filters: Filters, isNumber: Bool) -> Filters {
        var filters = filters
        for rule in self where rule.selection.isMeant(for: device) && rule.selection.isMeant(for: point) {
            for change in rule.changes where isNumber || !change.isOfNumbers { filters.apply(change) }
        }
        return filters
    }
}
