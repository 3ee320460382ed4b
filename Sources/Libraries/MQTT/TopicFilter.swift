// Headgate
// SPDX-License-Identifier: Apache-2.0

import CMosquitto
import Waiting

/// Topic filters as the library that speaks to the broker understands them.
public enum TopicFilter {
    /// - Returns: false also for control characters, on which a broker may close the connection (MQTT 5.0, 1.5.4).
    public static func isValid(_ filter: String) -> Bool {
        if filter.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) { return false }
        return mosquitto_sub_topic_check(filter) == Int32(MOSQ_ERR_SUCCESS.rawValue)
    }

    public static func matches(_ filter: String, _ topic: String) -> Bool {
        var result = false
        return mosquitto_topic_matches_sub(filter, topic, &result) == Int32(MOSQ_ERR_SUCCESS.rawValue) && result
    }

    public static func hasWildcard(_ filter: String) -> Bool {
        filter.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
    }

    /// The identifier of its subscription, from 1 to the largest that there may be (MQTT 5.0, 3.8.2.1.2). It depends on the
    /// filter alone: a broker keeps it with the messages that wait in a session, and the configuration may change meanwhile.
    /// A group of clients has the same as one.
    public static func identifier(of filter: String) -> Int {
        Int(Spread.hash(of: ofOneClient(filter)) % 268_435_455) + 1
    }

    /// What `shared` makes a shared filter of.
    public static func ofOneClient(_ filter: String) -> String {
        let levels = filter.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        return levels.count == 3 && levels[0] == "$share" ? String(levels[2]) : filter
    }

    /// What a client of a group subscribes to (MQTT 5.0, 4.8.2).
    public static func shared(_ filter: String, by group: String?) -> String {
        group.map { "$share/\($0)/\(filter)" } ?? filter
    }
}
