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
    private struct Formula {
        var device: DeviceNumber
        var series: SeriesNumber
        var derived: Derived
        var range: ClosedRange<Double>?
        var inputs: [SeriesNumber]
    }

    private struct State {
        /// The last reading of each series that a formula needs; of none, where it has not come.
        var last: [SeriesNumber: Reading?] = [:]
        var touched: Set<Int> = []
    }

    private let formulas: [Formula]
    /// By series, the formulas that need it.
    private let needers: [SeriesNumber: [Int]]
    private let collector: Collector
    private let state: Mutex<State>

    /// - Returns: nil where nothing is to be computed.
    init?(_ configuration: Configuration, _ catalog: Catalog, collector: Collector) {
        var formulas: [Formula] = []
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
                collector.add(number, point)
                formulas.append(
                    Formula(
                        device: catalog.number(of: device.described), series: number, derived: derived,
                        range: point.range, inputs: inputs))
            }
        }
        guard !formulas.isEmpty else { return nil }
        self.formulas = formulas
        self.collector = collector
        var needers: [SeriesNumber: [Int]] = [:]
        for (number, formula) in formulas.enumerated() {
            for input in Set(formula.inputs) { needers[input, default: []].append(number) }
        }
        self.needers = needers
        var state = State()
        for input in needers.keys { state.last[input] = .some(nil) }
        self.state = Mutex(state)
    }

    /// Takes readings as they are told.
    func note(_ batch: Batch) {
        state.withLock { state in
            for event in batch.events where !event.readings.isEmpty {
                for reading in batch.readings[event.readings] where needers[reading.series] != nil {
                    state.last[reading.series] = .some(reading)
                    for number in needers[reading.series] ?? [] { state.touched.insert(number) }
                }
                compute(&state)
            }
        }
    }

    /// What is computed goes on under the lock: in the order in which it came about.
    private func compute(_ state: inout State) {
        guard !state.touched.isEmpty else { return }
        var batch = Batch()
        var device: DeviceNumber?
        var latest = Timestamp(microseconds: .min)
        // Formulas of a device follow one another.
        for number in state.touched.sorted() {
            let formula = formulas[number]
            if let device, device != formula.device {
                batch.closeTelemetry(device: device, time: latest)
                latest = Timestamp(microseconds: .min)
            }
            device = formula.device
            let reading = formula.derived.reading(formula.series, within: formula.range) { place in
                formula.inputs.indices.contains(place) ? state.last[formula.inputs[place]] ?? nil : nil
            }
            guard let reading else { continue }
            batch.readings.append(reading)
            latest = max(latest, reading.time)
        }
        if let device { batch.closeTelemetry(device: device, time: latest) }
        state.touched.removeAll(keepingCapacity: true)
        collector.take(&batch)
    }
}
