// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Pipeline

/// One of the `windows` of a configuration: which readings are taken together, and how.
public struct ConfiguredWindow: Sendable {
    public var selection = Selection()
    public var window: Window
    /// Whether the readings are told of beside what they amount to.
    public var keepsRaw = true

    /// Whether it is about a point: a number, or yes and no.
    func isMeant(for point: Point, of device: Device) -> Bool {
        if case .text = point.operand { return false }
        return isMeant(for: point.name, of: device)
    }

    func isMeant(for point: String, of device: Device) -> Bool {
        selection.isMeant(for: device) && selection.isMeant(for: point)
    }
}
