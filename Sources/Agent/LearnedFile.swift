// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import FoundationEssentials
import Inputs
import Modbus

/// What devices have shown that their maps do not say: `learned.json` in the state folder. Who deletes it lets it be learnt
/// anew.
struct LearnedFile {
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

    private let file: StateFile<Contents>
    /// Of each device that there is.
    private let maps: [String: (name: String, version: Int)]

    init(_ configuration: Configuration, damaged: DamagedFiles? = nil) {
        file = StateFile("learned", configuration, empty: Contents(), damaged: damaged) { data in
            // Before links had prices there were devices only.
            (try? JSONDecoder().decode([String: Entry].self, from: data)).map { Contents(devices: $0) }
        }
        maps = Dictionary(
            configuration.devices.map { ($0.name, ($0.map.name, $0.map.version)) }, uniquingKeysWith: { $1 })
    }

    /// Of a map that has changed since, nothing.
    func learned(of device: String) -> Learned {
        guard let entry = file.current.devices[device], let map = maps[device], entry.map == map.name,
            entry.version == map.version
        else { return Learned() }
        return entry.learned
    }

    /// What requests have taken on a link; nil where nobody has measured it, or where it led somewhere else then.
    func cost(of link: String, at endpoint: ModbusEndpoint) -> RequestCost? {
        guard let entry = file.current.links[link], entry.endpoint == endpoint.description,
            // A file may have been damaged: a minute a request and ten milliseconds a byte are beyond any link.
            (0...60_000_000_000).contains(entry.cost.request), (0...10_000_000).contains(entry.cost.byte)
        else { return nil }
        return entry.cost
    }

    func remember(_ finding: ModbusLink.Finding, link: String, _ endpoint: ModbusEndpoint) {
        file.change { contents in
            switch finding {
            case .device(let device, let learned):
                guard let map = maps[device] else { return false }
                contents.devices[device] =
                    learned.isEmpty ? nil : Entry(map: map.name, version: map.version, learned: learned)
            case .cost(let cost): contents.links[link] = LinkEntry(endpoint: endpoint.description, cost: cost)
            }
            return true
        }
    }
}
