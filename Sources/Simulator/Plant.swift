// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import MQTT
import Modbus

/// What is simulated: the devices of a configuration, where they can be reached.
public struct Plant: Sendable {
    public struct ModbusDevice: Sendable {
        public var name: String
        public var unit: UInt8
        public var map: DeviceMap

        public init(name: String, unit: UInt8, map: DeviceMap) {
            self.name = name
            self.unit = unit
            self.map = map
        }
    }

    public struct ModbusLine: Sendable {
        public var endpoint: ModbusEndpoint
        public var devices: [ModbusDevice]

        public init(endpoint: ModbusEndpoint, devices: [ModbusDevice]) {
            self.endpoint = endpoint
            self.devices = devices
        }
    }

    public struct MQTTDevice: Sendable {
        public var name: String
        /// May hold wildcards: then a few devices publish.
        public var topic: String
        public var map: DeviceMap
        public var form: MQTTForm

        public init(name: String, topic: String, map: DeviceMap, form: MQTTForm) {
            self.name = name
            self.topic = topic
            self.map = map
            self.form = form
        }
    }

    public struct Broker: Sendable {
        public var settings: MQTTSettings
        public var devices: [MQTTDevice]

        public init(settings: MQTTSettings, devices: [MQTTDevice]) {
            self.settings = settings
            self.devices = devices
        }
    }

    public var lines: [ModbusLine]
    public var brokers: [Broker]

    public init(lines: [ModbusLine], brokers: [Broker]) {
        self.lines = lines
        self.brokers = brokers
    }
}

/// Why something cannot be simulated.
public struct SimulatorError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
