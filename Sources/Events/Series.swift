// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The number of a series in the catalog, the same for as long as its gateway lives.
package struct SeriesNumber: Hashable, Sendable, BitwiseCopyable {
    package let raw: Int32

    @inlinable
    package init(raw: Int32) {
        self.raw = raw
    }

    @inlinable package var index: Int { Int(raw) }
}

/// The number of a device in the catalog, the same for as long as its gateway lives.
package struct DeviceNumber: Hashable, Sendable, BitwiseCopyable {
    package let raw: Int32

    package init(raw: Int32) {
        self.raw = raw
    }

    package var index: Int { Int(raw) }

    /// The gateway itself, which is the subject of gap events.
    package static let gateway = DeviceNumber(raw: -1)
}

/// What events say about a device.
package struct Device: Hashable, Sendable {
    package var id: String
    package var map: String
    package var mapVersion: Int
    /// In the order of their names.
    package var tags: [Tag]

    package struct Tag: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(id: String, map: String, mapVersion: Int, tags: [Tag]) {
        self.id = id
        self.map = map
        self.mapVersion = mapVersion
        self.tags = tags
    }
}

/// One point of one device: what a reading's number stands for.
package struct Series: Hashable, Sendable {
    package var device: DeviceNumber
    package var point: String
    /// UCUM; empty where the point has none.
    package var unit: String
    package var lane: Lane

    package init(device: DeviceNumber, point: String, unit: String, lane: Lane) {
        self.device = device
        self.point = point
        self.unit = unit
        self.lane = lane
    }
}
