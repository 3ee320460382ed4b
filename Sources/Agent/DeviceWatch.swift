// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Outbox
import Pipeline

/// Finds online devices whose points were never read, or that reject every request.
struct DeviceWatch {
    private static let interval = Duration.seconds(2)
    /// A point that is read seldom may be late: only after so long is it missed.
    private static let patience = Duration.seconds(300)
    private static let mostNamed = 10

    let configuration: Configuration
    let catalog: Catalog
    let latest: LatestReadings
    let minimising: Minimising
    let warnings: any WarningSink
    private let intervals: IntervalFile
    private let sharedLinks: Set<String>
    private let started = ContinuousClock.now

    init(
        configuration: Configuration, catalog: Catalog, latest: LatestReadings, minimising: Minimising,
        intervals: IntervalFile, warnings: any WarningSink
    ) {
        self.configuration = configuration
        self.catalog = catalog
        self.latest = latest
        self.minimising = minimising
        self.intervals = intervals
        self.warnings = warnings
        sharedLinks = Set(
            configuration.links.filter { if case .mqtt(_, _?, _) = $0.way { true } else { false } }.map(\.name))
    }

    /// Until the task is cancelled.
    func run() async {
        var pause = Self.interval
        while !Task.isCancelled {
            try? await Task.sleep(for: pause)
            let effort = ContinuousClock().measure { look() }
            // With very many points it takes a while: a tenth of a per cent of a core at most.
            pause = max(Self.interval, effort * 1_000)
        }
    }

    private func look() {
        let snapshot = latest.snapshot
        let contents = catalog.contents
        let series = contents.seriesByDevice
        for configured in configuration.devices {
            let numbers = numbers(of: configured, contents)
            warnOfSilence(configured, numbers, series, snapshot)
            let online = numbers.filter { snapshot.states[$0] == .online }
            guard !online.isEmpty else {
                warnings.clear(.allPointsRefused, of: configured.name)
                continue
            }
            // A point that one of many devices has is not missing in their map.
            let own = online.flatMap { series[$0] ?? [] }
            warnOfRefusing(configured, own, snapshot)
            warnOfMissing(configured, own, snapshot)
        }
    }

    /// The devices that a configured one stands for, as far as they were heard of.
    private func numbers(
        of configured: Configuration.ConfiguredDevice, _ contents: Catalog.Contents
    ) -> [DeviceNumber] {
        if configured.isOne { return [catalog.known(configured.described)].compactMap(\.self) }
        return contents.devices.indices.filter { configured.stands(for: contents.devices[$0]) }
            .map { DeviceNumber(raw: Int32(clamping: $0)) }
    }

    /// Of an MQTT device of which nothing came, in no earlier run either: its topic may be mistyped, or not allowed by the broker,
    /// which does not say so. What gateways share one of them may never hear.
    private func warnOfSilence(
        _ configured: Configuration.ConfiguredDevice, _ numbers: [DeviceNumber],
        _ series: [DeviceNumber: [(SeriesNumber, Series)]], _ snapshot: LatestReadings.Snapshot
    ) {
        guard case .topic(let topic) = configured.address, !sharedLinks.contains(configured.link) else { return }
        guard started.duration(to: .now) > Self.patience else { return }
        let isHeard = numbers.contains { number in
            snapshot.states[number] == .online || series[number]?.contains { snapshot.hasBeenRead($0.0) } ?? false
        }
        guard !isHeard else { return warnings.clear(.neverHeard, of: configured.name) }
        guard !intervals.knows(configured) else { return }
        warnings.warn(
            .neverHeard, of: configured.name, count: 0,
            "the gateway has received no message on \(topic) since the start",
            next: "compare the topic with the topics at the broker, and check that the user of the gateway may read it")
    }

    private func warnOfRefusing(
        _ configured: Configuration.ConfiguredDevice, _ series: [(SeriesNumber, Series)],
        _ snapshot: LatestReadings.Snapshot
    ) {
        guard Self.isRefusing(configured, series, snapshot) else {
            return warnings.clear(.allPointsRefused, of: configured.name)
        }
        let unit = configured.unit.map { "unit \($0)" } ?? "its address"
        warnings.warn(
            .allPointsRefused, of: configured.name, count: 0, "the device rejects every request with an exception",
            next:
                "check that \(unit) is the right unit ID, and that the map \(configured.map.name) is the map of this product"
        )
    }

    private func warnOfMissing(
        _ configured: Configuration.ConfiguredDevice, _ series: [(SeriesNumber, Series)],
        _ snapshot: LatestReadings.Snapshot
    ) {
        let missing = neverRead(configured, series, snapshot)
        guard !missing.isEmpty else { return warnings.clear(.pointNeverRead, of: configured.name) }
        let slowest = configured.map.points.compactMap(\.every).max() ?? 0
        let patience = max(Self.patience, .microseconds(slowest) * 3)
        guard started.duration(to: .now) > patience else { return }
        let named = missing.prefix(Self.mostNamed).joined(separator: ", ")
        let more = missing.count > Self.mostNamed ? " and \(missing.count - Self.mostNamed) more" : ""
        warnings.warn(
            .pointNeverRead, of: configured.name, count: 0,
            "the gateway has no reading of the points \(named)\(more) since the start",
            next:
                "compare their paths, topics or addresses in the map \(configured.map.name) with the data of the device"
        )
    }

    /// The points of an online device's map without a reading since the start. A Modbus device of which nothing was ever read is
    /// in another state; one that sends messages is online whatever they are.
    func neverRead(
        _ configured: Configuration.ConfiguredDevice, _ series: [(SeriesNumber, Series)],
        _ snapshot: LatestReadings.Snapshot
    ) -> [String] {
        switch configured.map.form {
        // Their points are discovered.
        case .sunSpec, .sparkplug: return []
        case .modbus, .mqtt, .computed: break
        }
        var read: Set<String> = []
        var dropped: Set<String> = []
        for (number, one) in series {
            if snapshot.hasBeenRead(number) { read.insert(one.point) }
            if let treatment = minimising.treatment(of: number, catalog), case .drop = treatment {
                dropped.insert(one.point)
            }
        }
        if case .mqtt = configured.map.form {} else if read.isEmpty { return [] }
        return configured.map.points.map(\.name).filter { !read.contains($0) && !dropped.contains($0) }
    }

    /// Whether the last reading of every point is a refusal of the device.
    static func isRefusing(
        _ configured: Configuration.ConfiguredDevice, _ series: [(SeriesNumber, Series)],
        _ snapshot: LatestReadings.Snapshot
    ) -> Bool {
        guard case .modbus = configured.map.form else { return false }
        var count = 0
        for (number, _) in series {
            guard let (reading, _) = snapshot.reading(number) else { continue }
            switch reading.reason {
            case .illegalFunction, .illegalAddress, .illegalValue, .deviceFailure, .exception, .acknowledge,
                .negativeAcknowledge, .memoryParity:
                count += 1
            default: return false
            }
        }
        return count > 0
    }
}

extension Catalog.Contents {
    /// All series, grouped by their devices in one pass.
    var seriesByDevice: [DeviceNumber: [(SeriesNumber, Series)]] {
        var grouped: [DeviceNumber: [(SeriesNumber, Series)]] = [:]
        for (index, one) in series.enumerated() {
            grouped[one.device, default: []].append((SeriesNumber(raw: Int32(clamping: index)), one))
        }
        return grouped
    }
}
