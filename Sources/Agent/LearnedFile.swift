// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import FoundationEssentials
import Glibc
import Inputs
import Synchronization

/// What devices have shown that their maps do not say: `learned.json` in the state folder. Who deletes it lets it be learnt
/// anew; one that cannot be read is as good as none.
final class LearnedFile: Sendable {
    private struct Entry: Codable {
        var map: String
        var version: Int
        var learned: Learned
    }

    private let path: String
    private let entries: Mutex<[String: Entry]>
    /// Of each device that there is.
    private let maps: [String: (name: String, version: Int)]

    init(_ configuration: Configuration) {
        path = configuration.state + "/learned.json"
        maps = Dictionary(
            configuration.devices.map { ($0.name, ($0.map.name, $0.map.version)) }, uniquingKeysWith: { $1 })
        let read = try? JSONDecoder().decode([String: Entry].self, from: Data(contentsOf: URL(filePath: path)))
        entries = Mutex(read ?? [:])
    }

    /// Of a map that has changed since, nothing.
    func learned(of device: String) -> Learned {
        guard let entry = entries.withLock({ $0[device] }), let map = maps[device], entry.map == map.name,
            entry.version == map.version
        else { return Learned() }
        return entry.learned
    }

    /// Keeps it. Where the disk does not take it, it is learnt again after the next start.
    func remember(_ learned: Learned, of device: String) {
        guard let map = maps[device] else { return }
        entries.withLock { entries in
            entries[device] = learned.isEmpty ? nil : Entry(map: map.name, version: map.version, learned: learned)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
            try? encoder.encode(entries).write(to: URL(filePath: path), options: .atomic)
        }
    }
}
