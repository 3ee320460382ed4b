// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Inputs
import Logging
import MQTT
import Modbus
import Outbox
import Outputs
import Sparkplug

/// One gateway: what its configuration file says, read and checked, its device maps included.
public struct Configuration: Sendable {
    public struct Link: Sendable {
        public enum Way: Sendable {
            case modbus(ModbusEndpoint, timeout: Int64)
            /// - Parameters:
            ///   - share: the name under which several gateways share what comes.
            ///   - sparkplugHost: the name under which edge nodes know it as their primary host.
            case mqtt(Broker, share: String?, sparkplugHost: String?)
        }

        public var name: String
        public var way: Way
        /// The unit ID of answers, on Modbus links.
        public var answersAs = AnsweringUnit.asked

        /// Where it leads, as people write it.
        public var address: String {
            switch way {
            case .modbus(let endpoint, _): endpoint.description
            case .mqtt(let broker, _, _): "\(broker.settings.host):\(broker.settings.port)"
            }
        }
    }

    /// An MQTT broker, to listen to or to send to.
    public struct Broker: Sendable {
        public var settings: MQTTSettings
        public var password: Secret?
    }

    public struct ConfiguredDevice: Sendable {
        public enum Address: Sendable {
            case unit(UInt8)
            case topic(String)
            case edgeNodes(SparkplugNodeName)
            /// On no link: it is computed of others.
            case computed
        }

        public var name: String
        public var map: DeviceMap
        public var link: String
        public var address: Address
        public var tags: [Device.Tag]
        /// Whether its events say what their readings are made of.
        public var tellsProvenance = false
        /// Behind a wildcard: the allowed ids; empty for any.
        public var allowedIDs: [NamePattern] = []
        /// Behind a wildcard: the maximum number of devices.
        public var maxDevices = 1_000
        /// Behind a wildcard: a device silent for so long is removed when a new one needs its place, in microseconds.
        public var forgetAfter: Int64 = 86_400_000_000
        /// How long a missing message of edge nodes may still come, in microseconds.
        public var reorderTimeout: Int64 = 2_000_000
    }

    /// Who may be written, and who may ask for it beside `headgate write`.
    public struct Writes: Sendable {
        public struct Commands: Sendable {
            public var link: String
            public var topic: String
            /// How far ahead the deadline of a command may be, in microseconds.
            public var longestDeadline = Writes.usualDeadline
        }

        /// An hour, in microseconds.
        public static let usualDeadline: Int64 = 3_600_000_000

        public var devices: Set<String> = []
        public var commands: Commands?
    }

    public struct OutboxLimits: Sendable {
        /// Bytes.
        public var maxSize: Int64 = 1 << 30
        /// Microseconds.
        public var maxAge: Int64 = 7 * 86_400 * 1_000_000
        /// Microseconds.
        public var keepSent: Int64 = 0
        /// Bytes.
        public var maxMemory = 32 << 20
        /// By lane: critical, normal, bulk.
        public var whenFull = PerLane(repeating: OutboxSettings.WhenFull.dropOldest)
        /// Microseconds.
        public var thinInterval: Int64 = 60_000_000
        /// Where the keys are that the events are sealed with; nil for not.
        public var encryption: Secret?
    }

    /// Where the schemas of an output get their numbers.
    public struct ConfiguredRegistry: Sendable {
        public var settings: SchemaRegistry.Settings
        public var password: Secret?
        public var strategy: SubjectStrategy
    }

    public struct ConfiguredOutput: Sendable {
        public enum Way: Sendable {
            case kafka(KafkaOutputSettings, password: Secret?)
            /// The output uses the first broker that can be used.
            case mqtt([Broker], retain: Bool)
            /// `rotate` in bytes, `mode` the permissions of new files.
            case file(path: String, rotate: Int, keep: Int, mode: UInt32)
            case stdout
        }

        /// What is in a message.
        public enum Format: Sendable {
            case json
            case avro(ConfiguredRegistry)
            /// As an edge node, which waits for its primary host where it has one.
            case sparkplug(SparkplugNodeName, primaryHost: String?, qos: Int)
            /// By columns, of events that come within a time of one another.
            case block(wait: Duration)
        }

        public var name: String
        public var way: Way
        public var topic: TopicTemplate
        public var format = Format.json
        /// How its topics are to be, where it is one to Kafka.
        public var topics = KafkaTopics.Shape()
        /// What it may tell; empty for everything.
        public var allowed: [Selection] = []
        /// Names of tags; nil for all.
        public var allowedTags: Set<String>?
        /// After an outage fresh events wait for the backlog.
        public var isInOrder = false
        /// Events a second.
        public var maxRate: Int?
        /// By the unit that something is in, another that it is told in.
        public var units: [String: UnitChange] = [:]

        /// How long events that are not critical wait for others.
        var gathering: Duration? { if case .block(let wait) = format { wait } else { nil } }
    }

    public struct Listen: Sendable {
        public var host: String
        public var port: Int
    }

    public var gateway: String
    /// The folder of what the gateway keeps.
    public var state: String
    public var links: [Link] = []
    public var devices: [ConfiguredDevice] = []
    /// In the order of the file.
    public var filters: [FilterRule] = []
    public var minimise = MinimiseRules()
    public var rules: [AlarmRule] = []
    public var windows: [ConfiguredWindow] = []
    public var writes = Writes()
    public var outbox = OutboxLimits()
    public var outputs: [ConfiguredOutput] = []
    /// Nil where it is switched off.
    public var admin: Listen?
    /// Names under which a proxy forwards to the admin address.
    public var adminHosts: [String] = []
    public var logLevels: [String: Logger.Level] = [:]

    public static let defaultAdmin = Listen(host: "127.0.0.1", port: 9_464)
    /// The parts whose log levels can be set, `default` for those that are not.
    public static let logParts = [
        "default", "agent", "modbus", "mqtt", "outbox", "outputs", "admin", "rules", "writes",
    ]
}
