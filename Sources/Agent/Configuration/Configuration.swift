// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Logging
import MQTT
import Modbus
import Outputs

/// One gateway: what its configuration file says, read and checked, its device maps included.
package struct Configuration: Sendable {
    package struct Link: Sendable {
        package enum Way: Sendable {
            case modbus(ModbusEndpoint, timeout: Int64)
            case mqtt(Broker)
        }

        package var name: String
        package var way: Way
    }

    /// An MQTT broker, to listen to or to send to.
    package struct Broker: Sendable {
        package var settings: MQTTSettings
        package var password: Secret?
    }

    package struct ConfiguredDevice: Sendable {
        package enum Address: Sendable {
            case unit(UInt8)
            case topic(String)
        }

        package var name: String
        package var map: DeviceMap
        package var link: String
        package var address: Address
        package var tags: [Device.Tag]
    }

    package struct OutboxLimits: Sendable {
        /// Bytes.
        package var maxSize: Int64 = 1 << 30
        /// Microseconds.
        package var maxAge: Int64 = 7 * 86_400 * 1_000_000
    }

    package struct ConfiguredOutput: Sendable {
        package enum Way: Sendable {
            case kafka(KafkaOutputSettings, password: Secret?)
            case mqtt(Broker, retain: Bool)
            /// `rotate` in bytes.
            case file(path: String, rotate: Int, keep: Int)
            case stdout
        }

        package var name: String
        package var way: Way
        package var topic: TopicTemplate
    }

    package struct Listen: Sendable {
        package var host: String
        package var port: Int
    }

    package var gateway: String
    /// The folder of what the gateway keeps.
    package var state: String
    package var links: [Link] = []
    package var devices: [ConfiguredDevice] = []
    package var outbox = OutboxLimits()
    package var outputs: [ConfiguredOutput] = []
    /// Nil where it is switched off.
    package var admin: Listen?
    package var logLevels: [String: Logger.Level] = [:]

    package static let defaultAdmin = Listen(host: "127.0.0.1", port: 9_464)
    /// The parts whose log levels can be set, `default` for those that are not.
    package static let logParts = ["default", "agent", "modbus", "mqtt", "outbox", "outputs", "admin"]
}
