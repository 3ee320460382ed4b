// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Inputs
import MQTT

/// What brokers keep for this gateway in their sessions: `subscriptions.json` in the state folder. What the configuration no
/// longer wants is ended by it.
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

    /// What a link's session was subscribed to. Of a session of another client id nothing can be ended: it is told of.
    func filters(of link: String, _ connection: MQTTSettings, _ warnings: any WarningSink) -> [String] {
        guard let known = file.current[link] else { return [] }
        guard known.broker == Self.broker(connection) else { return [] }
        if known.client == connection.clientID { return known.filters }
        warnings.warn(
            .sessionLeft, of: link,
            "the broker keeps the session of the client id \(known.client), with its subscriptions and what comes for them, "
                + "until it expires",
            next: "remove it at the broker, or connect once more with the old client_id and `session_expiry` away")
        return []
    }

    func keep(_ filters: [String], of link: String, _ connection: MQTTSettings) {
        let session = Session(client: connection.clientID, broker: Self.broker(connection), filters: filters)
        file.change { $0.updateValue(session, forKey: link) != session }
    }

    private static func broker(_ connection: MQTTSettings) -> String { "\(connection.host):\(connection.port)" }
}
