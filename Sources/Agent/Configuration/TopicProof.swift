// Headgate
// SPDX-License-Identifier: Apache-2.0

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
            "has topics that cross, \(one) and \(other): a broker may send a message once for each, and MQTT 3.1.1 does "
                + "not say which it is", fix: "use version: 5, or make a link of its own for one of the devices")
    }
}
