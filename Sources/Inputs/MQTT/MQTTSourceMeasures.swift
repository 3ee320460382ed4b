// Headgate
// SPDX-License-Identifier: Apache-2.0

import Metrics

/// What listening to one broker counts.
struct MQTTSourceMeasures: Sendable {
    let messages: Counter
    let tooLarge: Counter
    let disconnects: Counter
    let refusedSubscriptions: Counter
    let refusedTimes: Counter
    private let link: String

    init(link: String) {
        self.link = link
        messages = Counter(label: "headgate_mqtt_messages_total", dimensions: [("link", link)])
        disconnects = Counter(label: "headgate_mqtt_disconnects_total", dimensions: [("link", link)])
        refusedSubscriptions = Counter(label: "headgate_mqtt_refused_subscriptions_total", dimensions: [("link", link)])
        tooLarge = Self.refused(link, "too_large")
        refusedTimes = Counter(label: "headgate_mqtt_refused_times_total", dimensions: [("link", link)])
        // A series that begins with its first loss hides that loss from `increase()`.
        for cause in MessageRouter.Refusal.Cause.allCases { _ = refused(cause) }
    }

    func refused(_ cause: some RawRepresentable<String>) -> Counter { Self.refused(link, cause.rawValue) }

    fileprivate static func refused(_ link: String, _ cause: String) -> Counter {
        Counter(label: "headgate_mqtt_refused_messages_total", dimensions: [("link", link), ("cause", cause)])
    }
}

/// What a broker with edge nodes behind it has beside that.
struct SparkplugMeasures: Sendable {
    let rebirths: Counter
    let lost: Counter
    let unread: Gauge

    init(link: String) {
        rebirths = Counter(label: "headgate_sparkplug_rebirths_total", dimensions: [("link", link)])
        lost = Counter(label: "headgate_sparkplug_lost_messages_total", dimensions: [("link", link)])
        unread = Gauge(label: "headgate_sparkplug_unread_metrics", dimensions: [("link", link)])
        for cause in SparkplugNode.Refusal.allCases { _ = MQTTSourceMeasures.refused(link, cause.rawValue) }
    }
}
