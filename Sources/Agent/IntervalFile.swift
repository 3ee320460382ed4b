// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// The shortest intervals at which the points came that are not polled, in the runs so far: `intervals.json` in the state folder.
/// `headgate check` compares the rules with them. Delete the file after a device was set to another interval.
struct IntervalFile: Sendable {
    private struct Entry: Codable, Equatable {
        var map: String
        var version: Int
        /// Seconds, by point.
        var points: [String: Double]
    }

    private static let keepInterval = Duration.seconds(60)
    /// Beyond, those that were not heard of in this run go.
    private static let mostDevices = 10_000
    private let file: StateFile<[String: Entry]>

    init(_ configuration: Configuration, damaged: DamagedFiles? = nil) {
        file = StateFile("intervals", configuration, empty: [:], damaged: damaged)
    }

    /// The shortest interval of a point in microseconds, among the devices of a name; nil where none is known.
    func interval(of point: String, _ device: Configuration.ConfiguredDevice) -> Int64? {
        let seconds = entries(of: device).compactMap { $0.points[point] }.min()
        return seconds.flatMap { Int64(exactly: ($0 * 1_000_000).rounded()) }
    }

    /// Whether anything is known of the devices of a name.
    func knows(_ device: Configuration.ConfiguredDevice) -> Bool { !entries(of: device).isEmpty }

    private func entries(of device: Configuration.ConfiguredDevice) -> [Entry] {
        let (own, all) = (device.described, file.current)
        let found = device.isOne ? [all[own.id]].compactMap(\.self) : all.filter { device.isNamed($0.key) }.map(\.value)
        return found.filter { $0.map == own.map && $0.version == own.mapVersion }
    }

    // MARK: Learning

    /// Keeps what the latest readings show, until the task is cancelled.
    func run(_ latest: LatestReadings, _ catalog: Catalog, _ configuration: Configuration) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.keepInterval)
            keep(latest.intervals, catalog.contents, configuration)
        }
        file.flush()
    }

    private func keep(
        _ intervals: [LatestReadings.Interval], _ contents: Catalog.Contents, _ configuration: Configuration
    ) {
        let listening = Self.pointsNotPolled(configuration)
        var found: [String: Entry] = [:]
        for (place, series) in contents.series.enumerated() where intervals.indices.contains(place) {
            guard let seconds = intervals[place].shortest, let device = contents[series.device],
                listening[device.map]?.contains(series.point) ?? false
            else { continue }
            found[device.id, default: Entry(map: device.map, version: device.mapVersion, points: [:])]
                .points[series.point] = Double(seconds)
        }
        guard !found.isEmpty else { return }
        file.change { entries in
            var isNews = false
            for (id, entry) in found {
                var known = entries[id] ?? entry
                if known.map != entry.map || known.version != entry.version { known = entry }
                // What is hardly less is not worth a write, which wears the disk.
                for (point, seconds) in entry.points where known.points[point].map({ seconds < $0 * 0.9 }) ?? true {
                    known.points[point] = seconds
                }
                isNews = isNews || entries[id] != known
                entries[id] = known
            }
            if entries.count > Self.mostDevices { entries = entries.filter { found[$0.key] != nil } }
            return isNews
        }
    }

    private static func pointsNotPolled(_ configuration: Configuration) -> [String: Set<String>] {
        var points: [String: Set<String>] = [:]
        for device in configuration.devices {
            points[device.map.name, default: []].formUnion(device.map.points.filter { $0.every == nil }.map(\.name))
        }
        return points
    }
}
