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
        let fields = Dictionary(
            uniqueKeysWithValues: maps.map { ($0.name, configuration.fields(of: $0, units: units)) })
        self.fields = fields
        schemas =
            maps.map {
                (
                    EventAvro.record(of: .telemetry, map: $0.name),
                    AvroSchema.telemetry(of: $0, fields: fields[$0.name] ?? [])
                )
            }
            + EventKind.allCases.map { (EventAvro.record(of: $0, map: nil), AvroSchema.own($0)) }
    }

    public var byName: [String: JSONDocument] { Dictionary(schemas, uniquingKeysWith: { one, _ in one }) }
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

    /// The fields of a map as its devices' readings are once what must not leave is taken away.
    /// - Parameter units: by the unit that something is in, another that an output tells it in.
    public func fields(of map: DeviceMap, units: [String: UnitChange] = [:]) -> [PointField] {
        let devices = devices.filter { $0.map.name == map.name }.map(\.described)
        let own = Dictionary(map.fields(units).map { ($0.point, $0) }, uniquingKeysWith: { one, _ in one })
        return map.points.compactMap { point in
            let ways = Set(devices.map { minimise.way(of: point.name, $0) })
            // Of other things for other devices what there is stands in `readings`.
            guard ways.count <= 1 else { return nil }
            switch ways.first ?? nil {
            case nil: return own[point.name]
            case .drop: return nil
            case .generalise:
                return own[point.name].map {
                    PointField(point: $0.point, unit: $0.unit, form: .number, isTreated: true)
                }
            case .mask, .token:
                let unit = units[point.sentUnit]?.unit ?? point.sentUnit
                return PointField(point: point.name, unit: unit, form: .text, isTreated: true)
            }
        }
    }
}
