// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import YAMLText

extension ConfigurationFile {
    /// Avro has no `-` in names: two maps, or two points, that differ in that alone would be one there.
    func proveRecords(of configuration: Configuration, _ outputs: YAMLValue?) {
        let isAvro = configuration.outputs.contains { if case .avro = $0.format { true } else { false } }
        guard isAvro, let outputs else { return }
        // What is computed is one record, and no map can have its name.
        let others = configuration.devices.filter { if case .computed = $0.map.form { false } else { true } }
        let computed = others.count < configuration.devices.count ? ["derived"] : []
        prove(Set(others.map(\.map.name)).sorted() + computed, "the maps", outputs)
        for map in configuration.recordedMaps { prove(map.points.map(\.name), "the points of \(map.name)", outputs) }
    }

    /// Of another zero, what is told of samples as a distance from theirs is another number.
    func proveUnits(of configuration: Configuration, _ outputs: YAMLValue?) {
        for output in configuration.outputs {
            for map in configuration.recordedMaps {
                let shifted = map.points.first { $0.isDistance && output.units[$0.sentUnit]?.movesZero ?? false }
                guard let point = shifted, let change = output.units[point.sentUnit] else { continue }
                outputs?.problem(
                    .unitWithOffset,
                    "changes \(point.sentUnit) to \(change.unit) in \(output.name), a unit with another zero, and \(point.name) of \(map.name) is a difference",
                    fix: "remove that unit from `units`")
            }
        }
    }

    private func prove(_ names: [String], _ what: String, _ outputs: YAMLValue) {
        var known: [String: String] = [:]
        for name in names {
            guard let other = known.updateValue(name, forKey: EventAvro.name(name)) else { continue }
            outputs.problem(
                .avroNamesCollide,
                "is sent as Avro, and the \(what) \(other) and \(name) would have the same name there",
                fix: "rename one of them")
        }
    }
}
