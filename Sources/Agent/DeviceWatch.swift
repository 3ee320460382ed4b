// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Outbox
import Pipeline

/// Looks for what a device that is online does not bring: points that were never read, or nothing but refusals.
struct DeviceWatch {
    private static let interval = Duration.seconds(2)
    /// A point that is read seldom may be late: only after so long is it missed.
    private static let patience: Int64 = 300_000_000
    private static let mostNamed = 10

    let configuration: Configuration
    let catalog: Catalog
    let latest: LatestReadings
    let minimising: Minimising
    let warnings: any WarningSink
    private let started = Timestamp.now

    init(
        configuration: Configuration, catalog: Catalog, latest: LatestReadings, minimising: Minimising,
        warnings: any WarningSink
    ) {
        self.configuration = configuration
        self.catalog = catalog
        self.latest = latest
        self.minimising = minimising
        self.warnings = warnings
    }

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            look(at: .now)
        }
    }

    private func look(at now: Timestamp) {
        let (contents, snapshot) = (catalog.contents, latest.snapshot)
        for configured in configuration.devices {
            let number = configured.isOne ? catalog.known(configured.described) : nil
            guard let number, snapshot.states[number] == .online else {
                warnings.clear(.allPointsRefused, of: configured.name)
                continue
            }
            if Self.isRefusing(configured, number, contents, snapshot) {
                let unit = configured.unit.map { "unit \($0)" } ?? "its address"
                warnings.warn(
                    .allPointsRefused, of: configured.name, count: 0,
                    "the device answers, and refuses every point that it is asked for",
                    next:
                        "look whether \(unit) is the right one, and whether the map \(configured.map.name) is of this product"
                )
            } else {
                warnings.clear(.allPointsRefused, of: configured.name)
            }
            warnOfMissing(configured, number, contents, snapshot, now)
        }
    }

    private func warnOfMissing(
        _ configured: Configuration.ConfiguredDevice, _ number: DeviceNumber, _ contents: Catalog.Contents,
        _ snapshot: LatestReadings.Snapshot, _ now: Timestamp
    ) {
        let missing = neverRead(configured, number, contents, snapshot)
        guard !missing.isEmpty else { return warnings.clear(.pointNeverRead, of: configured.name) }
        let slowest = configured.map.points.compactMap(\.every).max() ?? 0
        let patience = max(Self.patience, slowest.multipliedReportingOverflow(by: 3).partialValue)
        guard now.microseconds(since: started) > patience else { return }
        let named = missing.prefix(Self.mostNamed).joined(separator: ", ")
        let more = missing.count > Self.mostNamed ? " and \(missing.count - Self.mostNamed) more" : ""
        warnings.warn(
            .pointNeverRead, of: configured.name, count: 0, "points were never read since the start: \(named)\(more)",
            next:
                "look at their paths, topics or addresses in the map \(configured.map.name), and at what the device sends"
        )
    }

    /// The points of a device's map of which there was no reading since the start, though there was one of others.
    func neverRead(
        _ configured: Configuration.ConfiguredDevice, _ number: DeviceNumber, _ contents: Catalog.Contents,
        _ snapshot: LatestReadings.Snapshot
    ) -> [String] {
        switch configured.map.form {
        // What these have, they say themselves.
        case .sunSpec, .sparkplug: return []
        case .modbus, .mqtt, .computed: break
        }
        var read: Set<String> = []
        var dropped: Set<String> = []
        for (index, series) in contents.series.enumerated() where series.device == number {
            let one = SeriesNumber(raw: Int32(clamping: index))
            if snapshot.reading(one) != nil { read.insert(series.point) }
            if let treatment = minimising.treatment(of: one, catalog), case .drop = treatment {
                dropped.insert(series.point)
            }
        }
        guard !read.isEmpty else { return [] }
        return configured.map.points.map(\.name).filter { !read.contains($0) && !dropped.contains($0) }
    }

    /// Whether the last reading of every point is a refusal of the device.
    static func isRefusing(
        _ configured: Configuration.ConfiguredDevice, _ number: DeviceNumber, _ contents: Catalog.Contents,
        _ snapshot: LatestReadings.Snapshot
    ) -> Bool {
        guard case .modbus = configured.map.form else { return false }
        var count = 0
        for (index, series) in contents.series.enumerated() where series.device == number {
            guard let (reading, _) = snapshot.reading(SeriesNumber(raw: Int32(clamping: index))) else { continue }
            switch reading.reason {
            case .illegalFunction, .illegalAddress, .illegalValue, .deviceFailure, .exception: count += 1
            default: return false
            }
        }
        return count > 0
    }
}
