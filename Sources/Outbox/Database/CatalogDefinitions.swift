// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// The catalog as it lies in the outbox: a row a device and a series, in the order of their numbers.
enum CatalogDefinitions {
    static func encode(_ device: Device) -> [UInt8] {
        var out = ByteWriter()
        out.string(device.id)
        out.string(device.map)
        out.varint(UInt64(device.mapVersion))
        out.varint(UInt64(device.tags.count))
        for tag in device.tags {
            out.string(tag.name)
            out.string(tag.value)
        }
        return out.bytes
    }

    static func encode(_ series: Series) -> [UInt8] {
        var out = ByteWriter()
        out.zigzag(Int64(series.device.raw))
        out.string(series.point)
        out.string(series.unit)
        out.byte(series.lane.rawValue)
        return out.bytes
    }

    static func device(_ bytes: [UInt8]) throws(MalformedBytes) -> Device {
        var reader = ByteReader(bytes)
        var device = Device(
            id: try reader.string(), map: try reader.string(), mapVersion: Int(clamping: try reader.varint()), tags: [])
        for _ in 0..<(try reader.count()) {
            device.tags.append(Device.Tag(name: try reader.string(), value: try reader.string()))
        }
        return device
    }

    static func series(_ bytes: [UInt8]) throws(MalformedBytes) -> Series {
        var reader = ByteReader(bytes)
        let device = DeviceNumber(raw: Int32(truncatingIfNeeded: try reader.zigzag()))
        let point = try reader.string()
        let unit = try reader.string()
        guard let lane = Lane(rawValue: try reader.byte()) else { throw MalformedBytes(expected: "a lane") }
        return Series(device: device, point: point, unit: unit, lane: lane)
    }

    /// What earlier runs knew. In the place of a definition that is damaged stands one without a name: whatever refers
    /// to it is not to be shown under another's.
    /// - Parameter mending: whether a copy that is damaged is made good.
    static func catalog(in database: borrowing Database, mending: Bool = false) throws(SQLiteError) -> Catalog {
        catalog(
            try database.definitions(.device, mending: mending), try database.definitions(.series, mending: mending))
    }

    /// The same of a database that is damaged: as much as can be read.
    static func legibleCatalog(in database: borrowing Database) -> Catalog {
        catalog(database.legibleDefinitions(.device), database.legibleDefinitions(.series))
    }

    private static func catalog(_ devices: [[UInt8]?], _ series: [[UInt8]?]) -> Catalog {
        Catalog(
            devices: devices.map { $0.flatMap { try? device($0) } ?? .damaged },
            series: series.map { $0.flatMap { try? Self.series($0) } ?? .damaged })
    }

    /// Writes what `catalog` has beyond what is stored.
    /// - Parameter stored: how many devices and series are; raised to how many are then.
    static func store(
        _ catalog: Catalog.Contents, beyond stored: inout (devices: Int, series: Int), in database: borrowing Database
    ) throws(SQLiteError) {
        for number in stored.devices..<max(stored.devices, catalog.devices.count) {
            try database.addDefinition(.device, number: number, encode(catalog.devices[number]))
        }
        for number in stored.series..<max(stored.series, catalog.series.count) {
            try database.addDefinition(.series, number: number, encode(catalog.series[number]))
        }
        stored = (catalog.devices.count, catalog.series.count)
    }
}
