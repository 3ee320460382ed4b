// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What inputs hand their batches to.
public protocol Collecting: Sendable {
    /// Makes a series known before its first reading comes.
    func add(_ series: SeriesNumber, _ point: Point)

    /// Makes a series known that is computed of others of its device.
    /// - Parameter inputs: in the order of the formula's.
    func add(_ series: SeriesNumber, _ point: Point, _ derived: Derived, of inputs: [SeriesNumber])

    /// Takes readings that cannot be asked for again. Never waits; empties the batch.
    func take(_ batch: inout Batch)

    /// Notes that events are lost: a gap event announces them.
    func lose(_ events: Int, _ cause: Gap.Cause, at time: Timestamp)

    /// Takes readings whose source waits for an acknowledgement. Returns true once they survive a power cut; false
    /// where the gateway stops before that, and nothing may be acknowledged.
    func takeDurably(_ batch: Batch) async -> Bool
}

extension Collecting {
    /// Makes the points of a device known.
    /// - Returns: their series, in their order.
    public func add(_ points: [Point], of device: DeviceNumber, _ catalog: Catalog) -> [SeriesNumber] {
        let series = points.map { point in
            catalog.number(of: Series(device: device, point: point.name, unit: point.sentUnit, lane: point.lane))
        }
        for (series, point) in zip(series, points) {
            if point.derived == nil { add(series, point) }
        }
        let byName = Dictionary(zip(points.map(\.name), series), uniquingKeysWith: { one, _ in one })
        for (series, point) in zip(series, points) {
            guard let derived = point.derived else { continue }
            add(series, point, derived, of: derived.program.inputs.compactMap { byName[$0.point] })
        }
        return series
    }
}
