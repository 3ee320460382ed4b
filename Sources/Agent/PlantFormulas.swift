// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Pipeline
import Synchronization

/// Computes points of several devices: the `derived` of a configuration.
///
/// One for the gateway. Collectors tell it of their readings, and what comes of them goes the way of any other device's,
/// through a collector of its own.
final class PlantFormulas: Sendable {
    /// Of each computed series the device.
    private let devices: [SeriesNumber: DeviceNumber]
    /// What formulas need.
    private let inputs: Set<SeriesNumber>
    private let collector: Collector
    private let pipeline: Mutex<Pipeline>

    /// - Returns: nil where nothing is to be computed.
    init?(_ configuration: Configuration, _ catalog: Catalog, collector: Collector) {
        var devices: [SeriesNumber: DeviceNumber] = [:]
        var needed: Set<SeriesNumber> = []
        var pipeline = Pipeline()
        func series(_ device: Configuration.ConfiguredDevice, _ point: Point) -> SeriesNumber {
            let number = catalog.number(of: device.described)
            return catalog.number(
                of: Series(device: number, point: point.name, unit: point.sentUnit, lane: point.lane))
        }
        for device in configuration.devices {
            guard case .computed = device.address else { continue }
            for point in device.map.points {
                guard let derived = point.derived else { continue }
                let inputs = derived.program.inputs.compactMap { input -> SeriesNumber? in
                    guard let other = configuration.devices.first(where: { $0.name == input.device }) else {
                        return nil
                    }
                    return other.map.points.first { $0.name == input.point }.map { series(other, $0) }
                }
                let number = series(device, point)
                devices[number] = catalog.number(of: device.described)
                needed.formUnion(inputs)
                collector.add(number, point)
                pipeline.add(number, point, derived, of: inputs)
            }
        }
        guard !devices.isEmpty else { return nil }
        self.devices = devices
        inputs = needed
        self.collector = collector
        self.pipeline = Mutex(pipeline)
    }

    /// Takes readings as they are told.
    /// - Parameter now: the system's clock.
    func note(_ batch: Batch, now: Timestamp) {
        pipeline.withLock { pipeline in
            for event in batch.events where event.kind == .telemetry {
                var moment = Batch()
                moment.append(event, of: batch) { inputs.contains($0.series) }
                guard !moment.isEmpty else { continue }
                pipeline.interpret(&moment, now: now)
                var computed = computed(in: moment)
                // Under the lock: in the order in which it came about.
                collector.take(&computed)
            }
        }
    }

    /// What has been computed, an event a device.
    private func computed(in moment: Batch) -> Batch {
        var computed = Batch()
        let readings = Dictionary(grouping: moment.readings.filter { devices[$0.series] != nil }) {
            devices[$0.series] ?? .gateway
        }
        for (device, readings) in readings.sorted(by: { $0.key.raw < $1.key.raw }) {
            computed.readings += readings
            if let latest = readings.map(\.time).max() { computed.closeTelemetry(device: device, time: latest) }
        }
        return computed
    }
}
