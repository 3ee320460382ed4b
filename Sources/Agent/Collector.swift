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
        var pipeline: Pipeline
        /// The series that are not in the normal lane.
        var lanes: [SeriesNumber: Lane] = [:]
    }

    private let state: Mutex<State>
    private let intake: any Taking
    private let catalog: Catalog
    private let latest: LatestReadings
    private let totals: Totals
    /// Nil where time is told.
    private let clock: SystemClock?
    private let now: @Sendable () -> Timestamp
    private let filters: [FilterRule]
    private let minimising: Minimising
    private let alarms: Alarms
    private let windows: WindowPlan
    /// What is computed of readings of several devices; nil where nothing is.
    private let formulas: PlantFormulas?
    /// Whether what comes is described by the device alone, and not added before.
    private let takesStrangers: Bool

    init(
        intake: any Taking, catalog: Catalog, latest: LatestReadings, totals: Totals, clock: SystemClock?,
        filters: [FilterRule], minimising: Minimising, alarms: Alarms, windows: WindowPlan,
        formulas: PlantFormulas? = nil,
        takesStrangers: Bool = false,
        now: @escaping @Sendable () -> Timestamp = { .now }
    ) {
        self.intake = intake
        self.catalog = catalog
        self.latest = latest
        self.totals = totals
        self.clock = clock
        self.now = now
        self.filters = filters
        self.minimising = minimising
        self.alarms = alarms
        self.windows = windows
        self.formulas = formulas
        state = Mutex(State(pipeline: Pipeline(minimises: !minimising.isEmpty)))
        self.takesStrangers =
            takesStrangers && !(filters.isEmpty && minimising.isEmpty && alarms.isEmpty && windows.isEmpty)
    }

    func add(_ series: SeriesNumber, _ point: Point) {
        alarms.add(series, point)
        let isTold = windows.add(series, point, catalog)
        let point = filtered(point, series)
        state.withLock { state in
            state.pipeline.add(series, point)
            state.pipeline.setTreatment(series, minimising.treatment(of: series, catalog))
            state.pipeline.setWindowed(series, isTold: isTold)
            state.lanes[series] = point.lane == .normal ? nil : point.lane
        }
    }

    func add(_ series: SeriesNumber, _ point: Point, _ derived: Derived, of inputs: [SeriesNumber]) {
        alarms.add(series, point)
        let isTold = windows.add(series, point, catalog)
        let point = filtered(point, series)
        state.withLock { state in
            state.pipeline.add(series, point, derived, of: inputs)
            state.pipeline.setTreatment(series, minimising.treatment(of: series, catalog))
            state.pipeline.setWindowed(series, isTold: isTold)
            state.lanes[series] = point.lane == .normal ? nil : point.lane
        }
    }

    /// As the configuration wants it filtered.
    private func filtered(_ point: Point, _ series: SeriesNumber) -> Point {
        if filters.isEmpty { return point }
        let contents = catalog.contents
        guard let device = contents[series].flatMap({ contents[$0.device] }) else { return point }
        var point = point
        point.filters = filters.filters(of: point, device)
        return point
    }

    func take(_ batch: inout Batch) {
        guard !batch.isEmpty else { return }
        let processed = process(&batch)
        for (lane, part) in processed.parts {
            let feed = lane == .normal ? processed.feed : []
            if !intake.offer(part, lane, feed: feed) { state.withLock { $0.pipeline.forget(part) } }
        }
        batch.removeAll()
    }

    func lose(_ events: Int, _ cause: Gap.Cause, at time: Timestamp) {
        intake.lose(events, .normal, cause, at: time)
    }

    func takeDurably(_ batch: Batch) async -> Bool {
        var batch = batch
        let receipt = Receipt()
        let processed = process(&batch)
        var parts = processed.parts
        // What rules have noted of it is written with a commit, also where nothing of it is sent.
        if parts.isEmpty, processed.isNoted { parts = [(.normal, Batch())] }
        for (lane, part) in parts {
            intake.offer(part, lane, feed: lane == .normal ? processed.feed : [], receipt)
        }
        return await receipt.wait()
    }

    /// What becomes of a batch.
    private struct Processed {
        var parts: [(lane: Lane, batch: Batch)]
        /// What windows take together, which goes with the normal lane.
        var feed: [Reading]
        /// Whether rules have noted something of it.
        var isNoted: Bool
    }

    private func process(_ batch: inout Batch) -> Processed {
        if let clock = clock?.look(), clock != .good { batch.mark(clock) }
        return state.withLock { state in
            let now = now()
            var counts = FilterCounts()
            if takesStrangers { add(state.pipeline.strangers(in: batch), to: &state.pipeline) }
            let duplicates = state.pipeline.dropDuplicates(&batch, &counts)
            state.pipeline.interpret(&batch, now: now)
            // With what is computed of what came.
            totals.received(batch, duplicates: duplicates, catalog)
            state.pipeline.minimise(&batch, &counts)
            latest.note(batch)
            let isNoted = alarms.note(batch, now: now)
            formulas?.note(batch, now: now)
            var feed: [Reading] = []
            state.pipeline.filter(&batch, feed: &feed, &counts, now: now)
            totals.filtered(counts)
            var parts = Self.split(batch, state.lanes)
            if !feed.isEmpty, !parts.contains(where: { $0.lane == .normal }) { parts.append((.normal, Batch())) }
            return Processed(parts: parts, feed: feed, isNoted: isNoted)
        }
    }

    /// Series that a birth has brought: the configuration alone says how they are filtered.
    private func add(_ strangers: [SeriesNumber], to pipeline: inout Pipeline) {
        guard !strangers.isEmpty else { return }
        let contents = catalog.contents
        for number in strangers {
            guard let series = contents[number], let device = contents[series.device] else { continue }
            alarms.add(number)
            pipeline.add(
                number, filters: filters.filters(of: series.point, device, from: Filters(), isNumber: true))
            pipeline.setTreatment(number, minimising.treatment(of: number, catalog))
            pipeline.setWindowed(number, isTold: windows.add(number, catalog))
        }
    }

    /// Hands on what filters have held back: nothing more will come.
    func flush() {
        let held = state.withLock { $0.pipeline.flush() }
        let contents = catalog.contents
        var batch = Batch()
        for (device, readings) in Dictionary(grouping: held, by: { contents[$0.series]?.device ?? .gateway }) {
            batch.readings += readings
            batch.closeTelemetry(device: device, time: readings.map(\.time).max() ?? now())
        }
        guard !batch.isEmpty else { return }
        for (lane, part) in Self.split(batch, state.withLock { $0.lanes }) { intake.offer(part, lane) }
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

/// Where collectors hand on what is to be kept.
protocol Taking: Sendable {
    /// - Parameter feed: readings that windows take together.
    /// - Returns: false where it is lost.
    @discardableResult
    func offer(_ batch: Batch, _ lane: Lane, feed: [Reading]) -> Bool
    func offer(_ batch: Batch, _ lane: Lane, feed: [Reading], _ receipt: Receipt)
    func lose(_ events: Int, _ lane: Lane, _ cause: Gap.Cause, at time: Timestamp)
}

extension Taking {
    @discardableResult
    func offer(_ batch: Batch, _ lane: Lane) -> Bool { offer(batch, lane, feed: []) }
}

extension Intake: Taking {}
