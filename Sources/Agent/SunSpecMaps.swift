// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Dispatch
import FoundationEssentials
import Glibc
import Inputs
import MapImport
import YAMLText

/// Maps that SunSpec devices bring: made of the models that they say they have, and kept as files in the state folder for
/// whoever wants to look at them, plan with them, or make maps of their own of them.
struct SunSpecMaps {
    private let folder: String

    /// - Parameter state: the gateway's folder.
    init(state: String) {
        folder = state + "/sunspec"
    }

    /// The points that a device had when it last said so; none where it never did.
    func known(_ device: String) -> [Point] {
        guard let text = try? TextFile.read(path(device)) else { return [] }
        return Self.map(text)?.points ?? []
    }

    /// Moves the files away that are no maps.
    func prove(_ configuration: Configuration, _ damaged: DamagedFiles) {
        for device in configuration.devices where device.map.name == DeviceMap.sunSpec.name {
            let path = path(device.name)
            guard TextFile.exists(path) else { continue }
            let next = "the gateway reads the models of the device again; rules on its points work after that"
            do {
                if Self.map(try TextFile.read(path)) == nil {
                    damaged.setAside(path, "it is no device map", next: next)
                }
            } catch {
                damaged.setAside(path, "\(error)", next: next)
            }
        }
    }

    /// The map of what a device says, and its file; nil where nothing of it is known here.
    static func map(of device: String, _ found: SunSpecFound) -> (map: DeviceMap, text: String)? {
        let imported = ImportedMap.sunSpec(
            name: device, models: found.models.map { ($0.number, $0.address, $0.length) }, common: found.common)
        guard let text = ImportedMap.named([imported]).first.map({ MapText.text(of: $0).text }), var map = map(text),
            !map.points.isEmpty
        else { return nil }
        (map.name, map.version) = (DeviceMap.sunSpec.name, DeviceMap.sunSpec.version)
        return (map, text)
    }

    /// The disk may take its time; who polls does not wait for it, and a file that cannot be written costs nobody a reading.
    private static let queue = DispatchQueue(label: "headgate.sunspec")

    func keep(_ text: String, of device: String) {
        let (folder, path) = (folder, path(device))
        Self.queue.async {
            guard (try? TextFile.read(path)) != text else { return }
            mkdir(folder, 0o700)
            try? Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        }
    }

    private func path(_ device: String) -> String { "\(folder)/\(device).yaml" }

    /// A file of ours is named after the device, the map in it after the product.
    private static func map(_ text: String) -> DeviceMap? {
        let problems = Problems()
        let name = text.split(separator: "\n").first { $0.hasPrefix("map: ") }?.dropFirst(5)
        let map = DeviceMapFile.read(text, name: name.map(String.init) ?? "", file: "", problems: problems)
        return problems.isEmpty ? map : nil
    }
}
