// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The number of a series in the catalog, the same for as long as its gateway lives.
public struct SeriesNumber: Hashable, Sendable, BitwiseCopyable {
    public let raw: Int32

    @inlinable
    public init(raw: Int32) {
        self.raw = raw
    }

    @inlinable public var index: Int { Int(raw) }
}

/// The number of a device in the catalog, the same for as long as its gateway lives.
public struct DeviceNumber: Hashable, Sendable, BitwiseCopyable {
    public let raw: Int32

    public init(raw: Int32) {
        self.raw = raw
    }

    public var index: Int { Int(raw) }

    /// The gateway itself, which is the subject of gap events.
    public static let gateway = DeviceNumber(raw: -1)
}

/// What events say about a device.
public struct Device: Hashable, Sendable {
    public var id: String
    public var map: String
    public var mapVersion: Int
    /// In the order of their names.
    public var tags: [Tag]

    public struct Tag: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// - Parameter names: nil for all.
    func told(_ names: Set<String>?) -> [Tag] { names.map { names in tags.filter { names.contains($0.name) } } ?? tags }

    public init(id: String, map: String, mapVersion: Int, tags: [Tag]) {
        self.id = id
        self.map = map
        self.mapVersion = mapVersion
        self.tags = tags
    }
}

/// One point of one device: what a reading's number stands for.
public struct Series: Hashable, Sendable {
    public var device: DeviceNumber
    public var point: String
    /// UCUM; empty where the point has none.
    public var unit: String
    public var lane: Lane

    public init(device: DeviceNumber, point: String, unit: String, lane: Lane) {
        self.device = device
        self.point = point
        self.unit = unit
        self.lane = lane
    }
}

// MARK: Damage

extension Device {
    /// Stands for one whose description could not be read back.
    public static let damaged = Device(id: "", map: "", mapVersion: 0, tags: [])
}

extension Series {
    /// Stands for one whose description could not be read back.
    public static let damaged = Series(device: .gateway, point: "", unit: "", lane: .normal)
}
