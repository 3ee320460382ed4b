// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import MQTT

/// A broker to listen to and the devices whose messages come from it.
package struct MQTTSourceSettings: Sendable {
    package var name: String
    package var connection: MQTTSettings
    package var devices: [MQTTDevice]

    package init(name: String, connection: MQTTSettings, devices: [MQTTDevice]) {
        self.name = name
        self.connection = connection
        self.devices = devices
    }
}

/// A device as the configuration names it; with a wildcard in its topic, as many as there are ids.
package struct MQTTDevice: Sendable {
    package var name: String
    /// May hold wildcards.
    package var topic: String
    package var map: DeviceMap
    package var form: MQTTForm
    package var tags: [Device.Tag]

    package init(name: String, topic: String, map: DeviceMap, form: MQTTForm, tags: [Device.Tag]) {
        self.name = name
        self.topic = topic
        self.map = map
        self.form = form
        self.tags = tags
    }
}
