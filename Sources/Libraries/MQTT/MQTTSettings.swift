// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How one client reaches one broker.
package struct MQTTSettings: Sendable, Equatable {
    package enum Version: Sendable, Equatable { case v311, v5 }

    /// Files in PEM form. Certificate and key go together.
    package struct TLS: Sendable, Equatable {
        package var ca: String?
        package var certificate: String?
        package var key: String?

        package init(ca: String?, certificate: String?, key: String?) {
            self.ca = ca
            self.certificate = certificate
            self.key = key
        }
    }

    package var host: String
    package var port: UInt16
    package var clientID: String
    package var version: Version
    /// Seconds between signs of life; the broker gives up after one and a half of them.
    package var keepAlive: UInt16 = 30
    /// Seconds the broker keeps the session while the client is away; nil asks for a new session at each connection.
    /// MQTT 3.1.1 has no such time: there a session is kept until the broker forgets it.
    package var sessionExpiry: UInt32?
    package var username: String?
    package var password: String?
    package var tls: TLS?
    /// The longest payload taken in; longer ones are refused, counted and acknowledged.
    package var payloadLimit = 1 << 20

    package init(host: String, port: UInt16, clientID: String, version: Version) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.version = version
    }
}

/// A message as it came in.
package struct MQTTMessage: Sendable, Equatable {
    package var topic: String
    package var payload: [UInt8]
    package var retained: Bool
}

/// Why a call to the broker failed. Never names a password or a payload.
package struct MQTTError: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// Try again later, on a new connection.
        case reconnect
        /// The settings cannot work as they are (a file that cannot be read, a name that is not valid).
        case setup
        /// The broker will not take this message, ever: too large, topic not allowed.
        case reject
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
