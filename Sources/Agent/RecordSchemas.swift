// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Outputs
import Schemas

/// The records that an output of a configuration sends.
public struct RecordSchemas {
    /// By map.
    public let fields: [String: [PointField]]
    /// By the record's full name.
    public let schemas: [(name: String, schema: JSONDocument)]

    public init(_ configuration: Configuration, units: [String: UnitChange] = [:]) {
        let maps = configuration.recordedMaps
        fields = Dictionary(uniqueKeysWithValues: maps.map { ($0.name, $0.fields(units)) })
        schemas =
            maps.map { (EventAvro.record(of: .telemetry, map: $0.name), AvroSchema.telemetry(of: $0, units: units)) }
            + EventKind.allCases.map { (EventAvro.record(of: $0, map: nil), AvroSchema.own($0)) }
    }
}

extension Configuration {
    /// The maps whose telemetry has a record of its own, in the order of their names. What is computed is one, with the
    /// points of all its devices.
    public var recordedMaps: [DeviceMap] {
        var maps: [String: DeviceMap] = [:]
        for map in devices.map(\.map) where map.hasRecord {
            let known = Set((maps[map.name]?.points ?? []).map(\.name))
            if maps[map.name] == nil { maps[map.name] = map }
            if !known.isEmpty { maps[map.name]?.points += map.points.filter { !known.contains($0.name) } }
        }
        return maps.values.sorted { $0.name < $1.name }
    }
}
