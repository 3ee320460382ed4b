// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Outputs
import Schemas

/// What an output sends where: each topic with the records that are in it, as far as a configuration tells.
///
/// Of a device that stands for many, topics with `{device}` in them are known once those are heard of; here it has a `*`.
struct OutputRecords {
    struct Entry: Hashable {
        var topic: String
        var kind: EventKind
        /// Nil where it is one of the gateway's own records.
        var map: String?

        var record: String { EventAvro.record(of: kind, map: map) }
    }

    /// In the order of topics and kinds.
    let entries: [Entry]

    init(_ configuration: Configuration, _ output: Configuration.ConfiguredOutput) {
        var entries: Set<Entry> = []
        func add(_ kind: EventKind, _ lane: Lane, _ device: Device?, map: String? = nil) {
            let topic = output.topic.text(kind, lane: lane, device: device, gateway: configuration.gateway)
            entries.insert(Entry(topic: topic, kind: kind, map: map))
        }
        for (device, described) in configuration.devices.flatMap({ device in device.ids.map { (device, $0) } }) {
            let lanes = device.map.points.isEmpty ? [.normal] : Set(device.map.points.map(\.lane))
            for lane in lanes { add(.telemetry, lane, described, map: device.map.hasRecord ? device.map.name : nil) }
            if case .computed = device.address {} else { add(.status, .critical, described) }
            if configuration.writes.devices.contains(device.name) { add(.write, .critical, described) }
            if configuration.rules.contains(where: { !$0.ownPoints.isEmpty && $0.selection.isMeant(for: described) }) {
                add(.alarm, .critical, described)
            }
            if configuration.windows.contains(where: { $0.selection.isMeant(for: described) }) {
                add(.aggregate, .normal, described)
            }
        }
        if configuration.rules.contains(where: \.ownPoints.isEmpty) { add(.alarm, .critical, nil) }
        // Of a device that there is not.
        if !configuration.writes.devices.isEmpty { add(.write, .critical, nil) }
        add(.gap, .critical, nil)
        self.entries = entries.sorted {
            ($0.topic, $0.kind.rawValue, $0.map ?? "") < ($1.topic, $1.kind.rawValue, $1.map ?? "")
        }
    }

    /// Each once.
    var topics: [String] { entries.map(\.topic).reduce(into: []) { if $0.last != $1 { $0.append($1) } } }
}

extension Configuration.ConfiguredDevice {
    /// The device, and the others that are named after it.
    fileprivate var ids: [Device] {
        let own = described
        var others = own
        others.id += ".*"
        return (isOne ? [own] : []) + (isMany ? [others] : [])
    }
}
