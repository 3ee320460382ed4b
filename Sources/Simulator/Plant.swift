// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import MQTT
import Modbus

/// What is simulated: the devices of a configuration, where they can be reached.
package struct Plant: Sendable {
    package struct ModbusDevice: Sendable {
        package var name: String
        package var unit: UInt8
        package var map: DeviceMap

        package init(name: String, unit: UInt8, map: DeviceMap) {
            self.name = name
            self.unit = unit
            self.map = map
        }
    }

    package struct ModbusLine: Sendable {
        package var endpoint: ModbusEndpoint
        package var devices: [ModbusDevice]

        package init(endpoint: ModbusEndpoint, devices: [ModbusDevice]) {
            self.endpoint = endpoint
            self.devices = devices
        }
    }

    package struct MQTTDevice: Sendable {
        package var name: String
        /// May hold wildcards: then a few devices publish.
        package var topic: String
        package var map: DeviceMap
        package var form: MQTTForm

        package init(name: String, topic: String, map: DeviceMap, form: MQTTForm) {
            self.name = name
            self.topic = topic
            self.map = map
            self.form = form
        }
    }

    package struct Broker: Sendable {
        package var settings: MQTTSettings
        package var devices: [MQTTDevice]

        package init(settings: MQTTSettings, devices: [MQTTDevice]) {
            self.settings = settings
            self.devices = devices
        }
    }

    package var lines: [ModbusLine]
    package var brokers: [Broker]

    package init(lines: [ModbusLine], brokers: [Broker]) {
        self.lines = lines
        self.brokers = brokers
    }
}

/// Why something cannot be simulated.
package struct SimulatorError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
