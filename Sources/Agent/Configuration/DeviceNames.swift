// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Sparkplug

// A device of the configuration may stand for many: those of a topic pattern, or of an edge node, are named after it.

extension Configuration.ConfiguredDevice {
    /// Whether there is a device of this very name.
    var isOne: Bool {
        switch address {
        case .unit, .computed: true
        case .topic: !isBroughtByMessages
        case .edgeNodes(let nodes): !nodes.isPattern
        }
    }

    /// Of a Modbus device.
    var unit: UInt8? { if case .unit(let unit) = address { unit } else { nil } }

    /// Whether messages tell which devices there are: by a wildcard of its topic, or by an id in what they say.
    var isBroughtByMessages: Bool {
        guard case .topic(let topic) = address, case .mqtt(let form) = map.form else { return false }
        return topic.contains("+") || topic.contains("#") || form.id?.path != nil
    }

    /// Whether others are named after it.
    var isMany: Bool {
        if case .edgeNodes = address { true } else { !isOne }
    }

    /// Whether a device is named after it, and is still described as the configuration does now.
    func stands(for device: Device) -> Bool {
        let own = described
        return isNamed(device.id) && device.id != name && device.map == own.map && device.mapVersion == own.mapVersion
            && device.tags == own.tags
    }

    /// Whether an id is its own, or that of one of the devices that it stands for.
    func isNamed(_ id: String) -> Bool { id == name || isMany && id.hasPrefix(name + ".") }
}

extension Configuration {
    /// Whether events may be of such a device.
    public func hasDevice(_ id: String) -> Bool { id == gateway || devices.named(id) != nil }

    /// Whether there may be such a point: some devices say themselves which they have.
    public func mayHavePoint(_ name: String) -> Bool {
        devices.contains { device in device.describesItself || device.map.points.contains { $0.name == name } }
    }
}

extension [Configuration.ConfiguredDevice] {
    /// All points, as formulas name those of other devices.
    var namesOfPoints: [String] {
        filter(\.isOne).flatMap { device in device.map.points.map { "@\(device.name).\($0.name)" } }
    }

    /// The one that a device is, or is named after.
    func named(_ id: String) -> Configuration.ConfiguredDevice? { first { $0.isNamed(id) } }
}
