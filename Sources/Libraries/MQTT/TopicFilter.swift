// Headgate
// SPDX-License-Identifier: Apache-2.0

import CMosquitto

/// Topic filters as the library that speaks to the broker understands them.
public enum TopicFilter {
    public static func isValid(_ filter: String) -> Bool {
        mosquitto_sub_topic_check(filter) == Int32(MOSQ_ERR_SUCCESS.rawValue)
    }

    public static func matches(_ filter: String, _ topic: String) -> Bool {
        var result = false
        return mosquitto_topic_matches_sub(filter, topic, &result) == Int32(MOSQ_ERR_SUCCESS.rawValue) && result
    }
}
