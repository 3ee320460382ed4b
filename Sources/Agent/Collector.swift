// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Metrics
import Outbox
import Pipeline
import Synchronization

/// From one input to the outbox.
///
///     input ─▶ interpret ─▶ latest readings
///                  └──────▶ filter ─▶ lanes ─▶ intake
///
/// One for each input, so that no input waits for another's batch.
final class Collector: Collecting {
    private struct State {
        var pipeline = Pipeline()
        /// The series that are not in the normal lane.
        var lanes: [SeriesNumber: Lane] = [:]
    }

    private let state = Mutex(State())
    private let intake: Intake
    private let catalog: Catalog
    private let latest: LatestReadings
    private let totals: Totals
    private let clock: SystemClock

    init(
        intake: Intake, catalog: Catalog, latest: LatestReadings, totals: Totals, clock: SystemClock
    ) {
        self.intake = intake
        self.catalog = catalog
        self.latest = latest
        self.totals = totals
        self.clock = clock
    }

    func add(_ series: SeriesNumber, _ point: Point) {
        state.withLock { state in
            state.pipeline.add(series, point)
            state.lanes[series] = point.lane == .normal ? nil : point.lane
        }
    }

    func take(_ batch: inout Batch) {
        guard !batch.isEmpty else { return }
        for (lane, part) in process(&batch) where !intake.offer(part, lane) {
            state.withLock { $0.pipeline.forget(part) }
        }
        batch.removeAll()
    }

    func takeDurably(_ batch: Batch) async -> Bool {
        var batch = batch
        let receipt = Receipt()
        for (lane, part) in process(&batch) { intake.offer(part, lane, receipt) }
        return await receipt.wait()
    }

    private func process(_ batch: inout Batch) -> [(lane: Lane, batch: Batch)] {
        totals.received(batch, catalog)
        let clock = clock.look()
        if clock != .good { batch.mark(clock) }
        return state.withLock { state in
            state.pipeline.interpret(&batch)
            latest.note(batch)
            totals.filtered(state.pipeline.filter(&batch))
            return Self.split(batch, state.lanes)
        }
    }

    /// What is said about a device is urgent; of readings the map says which are.
    private static func split(_ batch: Batch, _ lanes: [SeriesNumber: Lane]) -> [(lane: Lane, batch: Batch)] {
        if batch.isEmpty { return [] }
        if lanes.isEmpty, batch.events.allSatisfy({ $0.kind == .telemetry }) { return [(.normal, batch)] }
        return Lane.allCases.compactMap { lane in
            var part = Batch()
            for event in batch.events {
                if event.kind == .telemetry {
                    part.append(event, of: batch) { (lanes[$0.series] ?? .normal) == lane }
                } else if lane == .critical {
                    part.append(event, of: batch)
                }
            }
            return part.isEmpty ? nil : (lane, part)
        }
    }
}
