// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import MQTT

/// A broker to listen to and the devices whose messages come from it.
public struct MQTTSourceSettings: Sendable {
    public var name: String
    public var connection: MQTTSettings
    /// The name under which several gateways share what comes (MQTT 5.0, 4.8.2); nil where this one gets all of it.
    public var share: String?
    /// The name under which edge nodes know it as their primary host; nil where none does.
    public var sparkplugHost: String?
    public var devices: [MQTTDevice]
    public var edgeNodes: [SparkplugDevice]
    public var monitor: LinkMonitor
    public var warnings: any WarningSink
    /// What was subscribed to in the broker's session before, and where that is kept.
    public var lastSubscriptions: [String]
    public var keepSubscriptions: @Sendable ([String]) -> Void

    public init(
        name: String, connection: MQTTSettings, share: String?, sparkplugHost: String?, devices: [MQTTDevice],
        edgeNodes: [SparkplugDevice], monitor: LinkMonitor, warnings: any WarningSink = NoWarnings(),
        lastSubscriptions: [String] = [], keepSubscriptions: @escaping @Sendable ([String]) -> Void = { _ in }
    ) {
        self.monitor = monitor
        self.warnings = warnings
        self.lastSubscriptions = lastSubscriptions
        self.keepSubscriptions = keepSubscriptions
        self.name = name
        self.connection = connection
        self.share = share
        self.sparkplugHost = sparkplugHost
        self.devices = devices
        self.edgeNodes = edgeNodes
    }
}

/// A device as the configuration names it; with a wildcard in its topic, as many as there are ids.
public struct MQTTDevice: Sendable {
    public var name: String
    /// May hold wildcards.
    public var topic: String
    public var map: DeviceMap
    public var form: MQTTForm
    public var tags: [Device.Tag]
    /// What stands for the ids that messages bring; nil where they stand for themselves.
    public var naming: (@Sendable (String) -> String)?
    /// Whether a device may have an id that a message brings; nil where any may.
    public var allows: (@Sendable (String) -> Bool)?
    /// The most devices that messages bring into being.
    public var maxDevices = 1_000
    /// A device that was not heard of for so long gives its place up where it is wanted, in microseconds.
    public var forgetAfter: Int64 = 86_400_000_000

    /// Whether messages tell which device they are of, so that there may be many.
    var isMany: Bool {
        form.id?.path != nil || topic.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
    }

    public init(
        name: String, topic: String, map: DeviceMap, form: MQTTForm, tags: [Device.Tag],
        naming: (@Sendable (String) -> String)? = nil
    ) {
        self.name = name
        self.topic = topic
        self.map = map
        self.form = form
        self.tags = tags
        self.naming = naming
    }
}
