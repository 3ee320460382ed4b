// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Metrics
import Outbox
import Pipeline
import Synchronization

/// The sums that must add up: what came in is filtered, shed or committed, and what is committed is acknowledged.
final class Totals: Sendable {
    private let receivedReadings = Atomic<Int>(0)
    private let filteredReadings = Atomic<Int>(0)
    private let committedReadings = Atomic<Int>(0)
    private let filteredCounters = FilterCounts().byKey.map { key, _ in
        Counter(label: "headgate_readings_filtered_total", dimensions: [("filter", key)])
    }
    /// By device, made once each.
    private let counters = Mutex<[DeviceNumber: Counter]>([:])

    /// - Parameter duplicates: readings that were taken out of it, by device.
    func received(_ batch: Batch, duplicates: [DeviceNumber: Int], _ catalog: Catalog) {
        let dropped = duplicates.values.reduce(0, +)
        receivedReadings.wrappingAdd(batch.readings.count + dropped, ordering: .relaxed)
        counters.withLock { counters in
            func count(_ readings: Int, of device: DeviceNumber) {
                let counter = counters[device] ?? Self.counter(of: device, catalog)
                if counters[device] == nil { counters[device] = counter }
                counter.increment(by: readings)
            }
            for event in batch.events where !event.readings.isEmpty { count(event.readings.count, of: event.device) }
            for (device, readings) in duplicates { count(readings, of: device) }
        }
    }

    private static func counter(of device: DeviceNumber, _ catalog: Catalog) -> Counter {
        Counter(label: "headgate_readings_total", dimensions: [("device", catalog.contents[device]?.id ?? "")])
    }

    func filtered(_ counts: FilterCounts) {
        guard counts.total > 0 else { return }
        filteredReadings.wrappingAdd(counts.total, ordering: .relaxed)
        for (counter, (_, count)) in zip(filteredCounters, counts.byKey) where count > 0 {
            counter.increment(by: count)
        }
    }

    func committed(_ commit: Outbox.Committed) {
        committedReadings.wrappingAdd(commit.batch.measured, ordering: .relaxed)
    }

    var received: Int { receivedReadings.load(ordering: .relaxed) }
    var filtered: Int { filteredReadings.load(ordering: .relaxed) }
    var committed: Int { committedReadings.load(ordering: .relaxed) }
}
