// Headgate
// SPDX-License-Identifier: Apache-2.0

import Inputs
import Sparkplug
import YAMLText

extension ConfigurationFile {
    /// A message of an edge node is to come once, and to somebody.
    func proveEdgeNodes(of link: Configuration.Link, _ configuration: Configuration) {
        guard case .mqtt(_, _, let host) = link.way else { return }
        let patterns = configuration.devices.compactMap { device -> SparkplugNodeName? in
            guard device.link == link.name, case .edgeNodes(let nodes) = device.address else { return nil }
            return nodes
        }
        if host != nil, patterns.isEmpty {
            linkNames[link.name]?.problem(
                "is a primary host that no device listens to edge nodes for, which would send what they kept to nobody",
                fix: "add a device with sparkplug: GROUP/NODE, or leave out sparkplug_host")
        }
        for (place, one) in patterns.enumerated() {
            for other in patterns[..<place] where one.crosses(other) {
                linkNames[link.name]?.problem(
                    "has edge nodes that are both \(other.group)/\(other.node) and \(one.group)/\(one.node)",
                    fix:
                        "a broker may send their messages twice: let one of the patterns hold the other, or make two links"
                )
            }
        }
    }
}
