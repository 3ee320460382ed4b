// Headgate
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Events
import FoundationEssentials
import Pipeline
import Synchronization

/// What points are like while all is well, as rules have learnt it: `baselines.json` in the state folder. Who takes an entry
/// out, or deletes the file, while the gateway is stopped has it learnt anew; one that cannot be read is as good as none.
final class BaselineFile: Sendable {
    private struct Entry: Codable {
        var readings: Int
        var mean: Double
        var squares: Double
    }

    private let path: String
    /// The disk may take its time.
    private let queue = DispatchQueue(label: "headgate.baselines")
    private let entries: Mutex<[String: Entry]>

    init(_ configuration: Configuration) {
        path = configuration.state + "/baselines.json"
        let data = (try? Data(contentsOf: URL(filePath: path))) ?? Data()
        entries = Mutex((try? JSONDecoder().decode([String: Entry].self, from: data)) ?? [:])
    }

    /// Of another version of a map, or in another unit, it is another point.
    private static func key(_ number: SeriesNumber, _ learn: Int, _ contents: Catalog.Contents) -> String? {
        guard let series = contents[number], let device = contents[series.device] else { return nil }
        return "\(device.id)/\(series.point)/\(series.unit)/\(device.map)/\(device.mapVersion)/\(learn)"
    }

    func baseline(_ number: SeriesNumber, _ learn: Int, _ contents: Catalog.Contents) -> Baseline? {
        guard let key = Self.key(number, learn, contents), let entry = entries.withLock({ $0[key] }) else { return nil }
        return Baseline(count: entry.readings, mean: entry.mean, squares: entry.squares)
    }

    /// Keeps what has changed. Where the disk does not take it, it is learnt again after the next start.
    func keep(_ baselines: [(series: SeriesNumber, learn: Int, baseline: Baseline)], _ contents: Catalog.Contents) {
        let isNews = entries.withLock { entries in
            var isNews = false
            for (series, learn, baseline) in baselines where baseline.count > 0 {
                guard let key = Self.key(series, learn, contents), baseline.count > entries[key]?.readings ?? 0 else {
                    continue
                }
                entries[key] = Entry(readings: baseline.count, mean: baseline.mean, squares: baseline.squares)
                isNews = true
            }
            return isNews
        }
        if isNews { queue.async { self.save() } }
    }

    /// Waits until what was to be kept is.
    func flush() { queue.sync {} }

    private func save() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        try? encoder.encode(entries.withLock { $0 }).write(to: URL(filePath: path), options: .atomic)
    }
}
