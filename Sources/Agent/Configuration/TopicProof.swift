// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Inputs
import MQTT
import YAMLText

extension ConfigurationFile {
    /// With MQTT 3.1.1 one message that a broker sends for two crossing topics looks like two equal messages.
    func proveTopics(of link: Configuration.Link, _ configuration: Configuration) {
        guard case .mqtt(let broker, _, _) = link.way, broker.settings.version == .v311 else { return }
        let filters = configuration.devices.flatMap { device -> [String] in
            guard device.link == link.name, case .topic(let topic) = device.address,
                case .mqtt(let form) = device.map.form
            else { return [] }
            return SubscriptionCover.filters(of: device.map.points, form, below: topic)
        }
        guard let (one, other) = SubscriptionCover(filters).crossing else { return }
        linkNames[link.name]?.problem(
            .topicsOverlap,
            "has topics that overlap, \(one) and \(other): the broker may send a message once for each, and with MQTT 3.1.1 the gateway cannot tell which",
            fix: "write version: 5, or use a link of its own for one of the devices")
    }
}
