// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Pipeline

/// What points are like while all is well, as rules have learnt it: `baselines.json` in the state folder. Who takes an entry
/// out, or deletes the file, while the gateway is stopped has it learnt anew.
struct BaselineFile {
    private struct Entry: Codable {
        var readings: Int
        var mean: Double
        var squares: Double
    }

    private let file: StateFile<[String: Entry]>

    init(_ configuration: Configuration, damaged: DamagedFiles? = nil) {
        file = StateFile("baselines", configuration, empty: [:], damaged: damaged)
    }

    /// Of another version of a map, or in another unit, it is another point.
    private static func key(_ number: SeriesNumber, _ learn: Int, _ contents: Catalog.Contents) -> String? {
        guard let series = contents[number], let device = contents[series.device] else { return nil }
        return "\(device.id)/\(series.point)/\(series.unit)/\(device.map)/\(device.mapVersion)/\(learn)"
    }

    func baseline(_ number: SeriesNumber, _ learn: Int, _ contents: Catalog.Contents) -> Baseline? {
        guard let key = Self.key(number, learn, contents), let entry = file.current[key] else { return nil }
        return Baseline(count: entry.readings, mean: entry.mean, squares: entry.squares)
    }

    /// Keeps what has changed.
    func keep(_ baselines: [(series: SeriesNumber, learn: Int, baseline: Baseline)], _ contents: Catalog.Contents) {
        file.change { entries in
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
    }

    func flush() { file.flush() }
}
