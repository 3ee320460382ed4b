// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Logging
import Outbox
import Pipeline
import Schemas
import Synchronization

/// A gateway without devices, disk and brokers, whose time is told: readings in, events out, by the parts that a real one
/// is made of. An hour takes as long as its readings.
final class Trial {
    /// An event, and in which lane it would go.
    struct Outcome {
        var lane: Lane
        var batch: Batch
        var event: Batch.Event
    }

    /// What a device says of a point.
    enum Said {
        case number(Double)
        /// A whole number that a double would round.
        case whole(Value)
        case boolean(Bool)
        case text(String)
        case not(Quality)
    }

    /// How often time moves where nothing comes.
    private static let tick: Int64 = 250_000
    /// A step of more than this is a clock that was set.
    private static let longest: Int64 = 31 * 86_400_000_000

    let catalog = Catalog()
    let totals = Totals()
    private(set) var outcomes: [Outcome] = []
    private let configuration: Configuration
    private let tray = Tray()
    private let clock: ToldClock
    private let alarms: Alarms
    private let collector: Collector
    /// Of what is computed of several devices.
    private let computed: Collector
    private let plan: WindowPlan
    private var windows: WindowCondenser
    private var devices: [String: (number: DeviceNumber, points: [String: KnownPoint])] = [:]

    init(_ configuration: Configuration, from start: Timestamp) {
        self.configuration = configuration
        let clock = ToldClock(start)
        self.clock = clock
        plan = WindowPlan(configuration)
        windows = WindowCondenser(plan, catalog)
        let tray = tray
        let minimising = Minimising(configuration.minimise, .ofTrials)
        // Alarms are what a trial tells, not what its log does.
        var logger = Logger(label: "headgate.rules")
        logger.logLevel = .error
        alarms = Alarms(
            rules: configuration.rules, gateway: configuration.gateway, catalog: catalog, logger: logger,
            now: { clock.now }
        ) { tray.offer($0, .critical) }
        let computed = Collector(
            intake: tray, catalog: catalog, latest: LatestReadings(), totals: totals, clock: nil,
            filters: configuration.filters, minimising: minimising, alarms: alarms, windows: plan, now: { clock.now })
        self.computed = computed
        collector = Collector(
            intake: tray, catalog: catalog, latest: LatestReadings(), totals: totals, clock: nil,
            filters: configuration.filters, minimising: minimising, alarms: alarms, windows: plan,
            formulas: PlantFormulas(configuration, catalog, collector: computed), now: { clock.now })
        for device in configuration.devices where device.isRead { _ = self.device(device.name) }
        alarms.advance(to: start)
    }

    var now: Timestamp { clock.now }

    // MARK: Devices

    /// The points of a device; nil where the configuration has none of that name.
    func points(of id: String) -> [Point]? {
        configuration.devices.named(id)?.map.points
    }

    private typealias KnownPoint = (point: Point, series: SeriesNumber, isSingle: Bool)

    private func device(_ id: String) -> (number: DeviceNumber, points: [String: KnownPoint])? {
        if let known = devices[id] { return known }
        guard let configured = configuration.devices.named(id) else { return nil }
        var described = configured.described
        described.id = id
        let number = catalog.number(of: described)
        let points = configured.map.points.map(\.told)
        let series = collector.add(points, of: number, catalog)
        // How much a counter counts is told by its registers.
        for (series, point) in zip(series, configured.map.points) { _ = plan.add(series, point, catalog) }
        let known = zip(configured.map.points, zip(points, series)).map { original, told in
            (told.0.name, (told.0, told.1, original.form == .single))
        }
        let device = (number, Dictionary(known, uniquingKeysWith: { one, _ in one }))
        devices[id] = device
        return device
    }

    // MARK: Time

    /// Lets time pass until a moment, with all that it brings.
    func advance(to moment: Timestamp) {
        if moment.microseconds(since: now) > Self.longest { clock.set(moment) }
        while now.advanced(byMicroseconds: Self.tick) < moment {
            clock.set(now.advanced(byMicroseconds: Self.tick))
            pass()
        }
        clock.set(max(now, moment))
        pass()
    }

    private func pass() {
        alarms.advance(to: now)
        if windows.nextDue.map({ $0 <= now }) ?? false { condense([]) }
        collect()
    }

    // MARK: Readings

    /// One event of a device, now.
    func take(_ id: String, _ said: [(point: String, said: Said)]) {
        take(id, said.map { ($0.point, $0.said, now) }, time: now)
    }

    /// One event of a device.
    /// - Returns: how many of its readings were taken.
    @discardableResult
    func take(_ id: String, _ said: [(point: String, said: Said, time: Timestamp)], time: Timestamp) -> Int {
        guard let device = device(id) else { return 0 }
        var batch = Batch()
        for (name, said, time) in said {
            guard let (point, series, isSingle) = device.points[name] else { continue }
            var reading = Reading(series: series, time: time, value: .none)
            switch said {
            // As wide as its registers are: else windows reckon with other digits than the gateway's.
            case .number(let number): reading.value = isSingle ? .single(Float(number)) : .number(number)
            case .whole(let value): reading.value = value
            case .boolean(let isTrue): reading.value = .boolean(isTrue)
            case .text(let text):
                let raw = point.conversion.labels.first { $0.value == text }?.key
                reading.value = raw.map(Value.integer) ?? batch.text(text)
            case .not(let quality): reading.quality = quality
            }
            batch.readings.append(reading)
        }
        let count = batch.readings.count
        batch.closeTelemetry(device: device.number, time: time)
        collector.take(&batch)
        collect()
        return count
    }

    /// What filters and windows hold back, as they are told when a gateway stops.
    func finish() {
        alarms.advance(to: now, isLast: true)
        collector.flush()
        computed.flush()
        collect()
    }

    private func collect() {
        for (lane, batch, feed) in tray.empty() {
            outcomes += batch.events.map { Outcome(lane: lane, batch: batch, event: $0) }
            if !feed.isEmpty { condense(feed) }
        }
    }

    private func condense(_ feed: [Reading]) {
        let batch = windows.take(feed, at: now)
        outcomes += batch.events.map { Outcome(lane: .normal, batch: batch, event: $0) }
    }
}

extension Configuration.ConfiguredDevice {
    /// Whether it is one device that says something itself.
    fileprivate var isRead: Bool {
        if case .computed = address { false } else { isOne }
    }
}

extension Point {
    /// As it is told to a trial: what it means and not what the device sends.
    fileprivate var told: Point {
        var point = self
        point.conversion = conversion.unscaled
        return point
    }
}

/// A clock that says what it is told.
final class ToldClock: Sendable {
    private let time: Mutex<Timestamp>

    init(_ start: Timestamp) {
        time = Mutex(start)
    }

    var now: Timestamp { time.withLock { $0 } }

    func set(_ moment: Timestamp) { time.withLock { $0 = moment } }
}

/// Keeps what collectors hand on until somebody takes it away.
final class Tray: Taking {
    private let kept = Mutex<[(lane: Lane, batch: Batch, feed: [Reading])]>([])

    func offer(_ batch: Batch, _ lane: Lane, feed: [Reading]) -> Bool {
        kept.withLock { $0.append((lane, batch, feed)) }
        return true
    }

    func offer(_ batch: Batch, _ lane: Lane, feed: [Reading], _ receipt: Receipt) {
        receipt.expect()
        _ = offer(batch, lane, feed: feed)
        receipt.settle(isSafe: true)
    }

    func lose(_ events: Int, _ lane: Lane, _ cause: Gap.Cause, at time: Timestamp) {}

    func empty() -> [(lane: Lane, batch: Batch, feed: [Reading])] {
        kept.withLock { kept in
            defer { kept.removeAll() }
            return kept
        }
    }
}
