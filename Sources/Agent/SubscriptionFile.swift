// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Inputs
import MQTT

/// The subscriptions in the brokers' sessions: `subscriptions.json` in the state folder. With it the gateway unsubscribes from
/// topics that are no longer configured.
struct SubscriptionFile: Sendable {
    private struct Session: Codable, Equatable {
        var client: String
        var broker: String
        var filters: [String]
    }

    private let file: StateFile<[String: Session]>

    init(_ configuration: Configuration) {
        file = StateFile("subscriptions", configuration, empty: [:])
    }

    /// The subscriptions in a link's session. The session of another client id cannot be changed: that is a warning.
    func filters(of link: String, _ connection: MQTTSettings, _ warnings: any WarningSink) -> [String] {
        guard let known = file.current[link] else { return [] }
        // Also at a broker with another address: it may be the same one, and ends what it does not have without complaint.
        if known.client == connection.clientID { return known.filters }
        guard known.broker == Self.broker(connection) else { return [] }
        warnings.warn(
            .sessionLeft, of: link,
            "the broker keeps the session of the former client id \(known.client) and queues messages for it until it "
                + "expires",
            next: "remove the session at the broker")
        return []
    }

    func keep(_ filters: [String], of link: String, _ connection: MQTTSettings) {
        let session = Session(client: connection.clientID, broker: Self.broker(connection), filters: filters)
        file.change { $0.updateValue(session, forKey: link) != session }
    }

    private static func broker(_ connection: MQTTSettings) -> String { "\(connection.host):\(connection.port)" }
}
