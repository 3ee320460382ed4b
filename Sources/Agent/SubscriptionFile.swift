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

        func isOf(_ connection: MQTTSettings) -> Bool {
            client == connection.clientID && broker == SubscriptionFile.broker(connection)
        }
    }

    private let file: StateFile<[String: Session]>

    init(_ configuration: Configuration, damaged: DamagedFiles? = nil) {
        file = StateFile("subscriptions", configuration, empty: [:], damaged: damaged)
    }

    /// The subscriptions in a link's session.
    func filters(of link: String, _ connection: MQTTSettings) -> [String] {
        let known = file.current
        // Also at a broker with another address: it may be the same one, and ends what it does not have without complaint.
        if let own = known[link], own.client == connection.clientID { return own.filters }
        // The link may have had another name.
        return known.values.first { $0.isOf(connection) }?.filters ?? []
    }

    /// Warns, once, of the sessions that no link uses any more: the gateway cannot change them.
    /// - Parameter connections: by link.
    func warnOfSessionsLeft(_ connections: [String: MQTTSettings], _ warnings: any WarningSink) {
        for (link, known) in file.current {
            let isMoved = connections[link].map { $0.clientID == known.client || Self.broker($0) != known.broker }
            guard isMoved != true, !connections.values.contains(where: known.isOf) else { continue }
            warnings.warn(
                .sessionLeft, of: link,
                "the broker \(known.broker) keeps the session of the former client ID \(known.client), and queues messages "
                    + "for it until it expires",
                next: "remove the session at the broker")
        }
        file.change { sessions in
            let count = sessions.count
            sessions = sessions.filter { link, known in
                // What a link goes on with that had another name is kept until it has kept it itself.
                connections[link] != nil || connections.values.contains(where: known.isOf)
            }
            return sessions.count != count
        }
    }

    func keep(_ filters: [String], of link: String, _ connection: MQTTSettings) {
        let session = Session(client: connection.clientID, broker: Self.broker(connection), filters: filters)
        file.change { $0.updateValue(session, forKey: link) != session }
    }

    private static func broker(_ connection: MQTTSettings) -> String { "\(connection.host):\(connection.port)" }
}
