// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
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
                .primaryHostWithoutEdgeNodes,
                "makes this gateway a primary host, but no device of the link reads edge nodes: they would send their stored data, and no one would store it",
                fix: "add a device with sparkplug: GROUP/NODE, or remove `sparkplug_host`")
        }
        for (place, one) in patterns.enumerated() {
            for other in patterns[..<place] where one.crosses(other) {
                linkNames[link.name]?.problem(
                    .edgeNodesOverlap,
                    "has edge nodes that match both \(other.group)/\(other.node) and \(one.group)/\(one.node): the broker may send their messages twice",
                    fix: "write patterns of which one includes the other, or use two links")
            }
        }
    }
}
