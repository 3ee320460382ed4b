// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What an output may tell; all else stays in the gateway.
public struct AllowList: Sendable {
    /// Names of tags; nil for all.
    public var tags: Set<String>?
    let isAllowed: @Sendable (_ point: String, Device) -> Bool

    /// - Parameter isAllowed: whether a point of a device may be told of.
    public init(tags: Set<String>?, isAllowed: @escaping @Sendable (_ point: String, Device) -> Bool) {
        self.tags = tags
        self.isAllowed = isAllowed
    }

    /// An event with what of it may be told; nil where that is nothing.
    func part(
        of event: Batch.Event, _ batch: Batch, _ contents: Catalog.Contents
    ) -> (event: Batch.Event, batch: Batch)? {
        switch event.detail {
        case .status, .gap: return (event, batch)
        case .write(let attempt):
            return contents[event.device].map { isAllowed(attempt.point, $0) } ?? false ? (event, batch) : nil
        case .telemetry, .alarm, .aggregate: break
        }
        var part = Batch()
        part.append(event, of: batch) { reading in
            guard let series = contents[reading.series], let device = contents[series.device] else { return false }
            return isAllowed(series.point, device)
        }
        // An alarm is told of without what caused it; a window of nothing is none.
        guard var told = part.events.first, event.kind == .alarm || !told.readings.isEmpty else { return nil }
        // The registers are of all points.
        told.origin.provenance = nil
        if case .alarm(var alarm) = told.detail {
            alarm.evidence.removeAll { one in
                guard let series = contents[one.series], let device = contents[series.device] else { return true }
                return !isAllowed(series.point, device)
            }
            told.detail = .alarm(alarm)
        }
        return (told, part)
    }
}
