// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Dispatch
import FoundationEssentials
import Glibc
import Inputs
import Modbus
import Synchronization

/// What devices have shown that their maps do not say: `learned.json` in the state folder. Who deletes it lets it be learnt
/// anew; one that cannot be read is as good as none.
final class LearnedFile: Sendable {
    private struct Entry: Codable {
        var map: String
        var version: Int
        var learned: Learned
    }

    private struct LinkEntry: Codable {
        var endpoint: String
        var cost: RequestCost
    }

    private struct Contents: Codable {
        var devices: [String: Entry] = [:]
        var links: [String: LinkEntry] = [:]
    }

    private let path: String
    /// The disk may take its time; who has learnt something polls on.
    private let queue = DispatchQueue(label: "headgate.learned")
    private let contents: Mutex<Contents>
    /// Of each device that there is.
    private let maps: [String: (name: String, version: Int)]

    init(_ configuration: Configuration) {
        path = configuration.state + "/learned.json"
        maps = Dictionary(
            configuration.devices.map { ($0.name, ($0.map.name, $0.map.version)) }, uniquingKeysWith: { $1 })
        let data = (try? Data(contentsOf: URL(filePath: path))) ?? Data()
        let read = try? JSONDecoder().decode(Contents.self, from: data)
        // Before links had prices there were devices only.
        let old = try? JSONDecoder().decode([String: Entry].self, from: data)
        contents = Mutex(read ?? Contents(devices: old ?? [:]))
    }

    /// Of a map that has changed since, nothing.
    func learned(of device: String) -> Learned {
        guard let entry = contents.withLock({ $0.devices[device] }), let map = maps[device], entry.map == map.name,
            entry.version == map.version
        else { return Learned() }
        return entry.learned
    }

    /// What requests have taken on a link; nil where nobody has measured it, or where it led somewhere else then.
    func cost(of link: String, at endpoint: ModbusEndpoint) -> RequestCost? {
        guard let entry = contents.withLock({ $0.links[link] }), entry.endpoint == endpoint.description,
            // A file may have been damaged: a minute a request and ten milliseconds a byte are beyond any link.
            (0...60_000_000_000).contains(entry.cost.request), (0...10_000_000).contains(entry.cost.byte)
        else { return nil }
        return entry.cost
    }

    /// Keeps it. Where the disk does not take it, it is learnt again after the next start.
    func remember(_ finding: ModbusLink.Finding, link: String, _ endpoint: ModbusEndpoint) {
        contents.withLock { contents in
            switch finding {
            case .device(let device, let learned):
                guard let map = maps[device] else { return }
                contents.devices[device] =
                    learned.isEmpty ? nil : Entry(map: map.name, version: map.version, learned: learned)
            case .cost(let cost): contents.links[link] = LinkEntry(endpoint: endpoint.description, cost: cost)
            }
        }
        queue.async { self.save() }
    }

    private func save() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        try? encoder.encode(contents.withLock { $0 }).write(to: URL(filePath: path), options: .atomic)
    }
}
