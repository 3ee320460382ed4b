// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Inputs
import Modbus
import YAMLText

extension ConfigurationFile {
    /// A line has a speed, and more does not go over it. How fast a network is, nobody knows before.
    func prove(_ link: Configuration.Link, _ configuration: Configuration) {
        var configuration = configuration
        // What a device says of itself is no mistake of who wrote the file.
        configuration.devices.removeAll { if case .sunSpec = $0.map.form { true } else { false } }
        guard let (endpoint, plan) = configuration.plan(of: link), case .serial(var line) = endpoint, plan.load > 1
        else { return }
        let enough = Self.speeds.first { speed in
            line.baud = speed
            return configuration.plan(of: link, at: .serial(line)).map { $0.load <= 0.9 } ?? false
        }
        let dearest = plan.requests.max { $0.load < $1.load }.map {
            "\($0.points.count) points of \($0.device) that are read together take \(Int($0.load * 100)) %"
        }
        linkNames[link.name]?.problem(
            .serialLineOverloaded,
            "is too slow for its polls: they take \(Int(clamping: Int64(plan.load * 100))) % of the time"
                + (dearest.map { ", \($0)" } ?? ""),
            fix: (enough.map { "write baud: \($0) if the devices support it, or " } ?? "")
                + "write a longer `every` in the maps; headgate plan lists each request")
    }

    /// Usual speeds of lines.
    private static let speeds: [Int32] = [2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200]
}
