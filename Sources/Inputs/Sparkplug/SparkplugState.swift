// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import FoundationEssentials
import MQTT
import Sparkplug

/// What a Host Application says of itself (Sparkplug 3.0.0, 4.2.9 and 6.4.30): edge nodes that are set up for it keep
/// what they have while it is not there.
struct SparkplugState {
    let topic: String
    /// The same in the birth and the will of one connection, so that a will that comes late is told from a new one.
    let timestamp: Int64

    init(host: String, at time: Timestamp) {
        topic = SparkplugTopic.state(of: host)
        timestamp = time.microseconds / 1_000
    }

    private init(topic: String, timestamp: Int64) {
        (self.topic, self.timestamp) = (topic, timestamp)
    }

    /// What is said at a stop.
    func ended(at time: Timestamp) -> SparkplugState {
        SparkplugState(topic: topic, timestamp: max(timestamp, time.microseconds / 1_000))
    }

    private struct Told: Decodable {
        var online: Bool
    }

    /// Whether edge nodes take this host for gone after a message on its topic, as the will of an earlier connection is.
    func isContradicted(by payload: [UInt8]) -> Bool {
        (try? JSONDecoder().decode(Told.self, from: Data(payload)))?.online != true
    }

    func payload(isOnline: Bool) -> [UInt8] {
        Array(#"{"online":\#(isOnline),"timestamp":\#(timestamp)}"#.utf8)
    }

    var will: MQTTSettings.Will { MQTTSettings.Will(topic: topic, payload: payload(isOnline: false), isRetained: true) }
}
