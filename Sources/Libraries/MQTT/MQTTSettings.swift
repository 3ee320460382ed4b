// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How one client reaches one broker.
public struct MQTTSettings: Sendable, Equatable {
    public enum Version: Sendable, Equatable { case v311, v5 }

    /// Files in PEM form. Certificate and key go together.
    public struct TLS: Sendable, Equatable {
        public var ca: String?
        public var certificate: String?
        public var key: String?

        public init(ca: String?, certificate: String?, key: String?) {
            self.ca = ca
            self.certificate = certificate
            self.key = key
        }
    }

    public struct Will: Sendable, Equatable {
        public var topic: String
        public var payload: [UInt8]
        public var isRetained: Bool

        public init(topic: String, payload: [UInt8], isRetained: Bool) {
            self.topic = topic
            self.payload = payload
            self.isRetained = isRetained
        }
    }

    public var host: String
    public var port: UInt16
    public var clientID: String
    public var version: Version
    /// Seconds between signs of life; the broker gives up after one and a half of them.
    public var keepAlive: UInt16 = 30
    /// Seconds the broker keeps the session while the client is away; nil asks for a new session at each connection.
    /// MQTT 3.1.1 has no such time: there a session is kept until the broker forgets it.
    public var sessionExpiry: UInt32?
    public var username: String?
    public var password: String?
    public var tls: TLS?
    /// What the broker says once the connection is lost.
    public var will: Will?
    /// The longest payload taken in; longer ones are refused, counted and acknowledged.
    public var payloadLimit = 1 << 20

    public init(host: String, port: UInt16, clientID: String, version: Version) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.version = version
    }
}

/// A message as it came in.
public struct MQTTMessage: Sendable, Equatable {
    public var topic: String
    public var payload: [UInt8]
    public var retained: Bool
    /// Whether the broker has sent it before (DUP; MQTT 5.0, 3.3.1.1).
    public var redelivered: Bool
    /// The identifiers of the subscriptions that it is sent for, where the broker tells (MQTT 5.0, 3.3.2.3.8).
    public var subscriptions: [Int]

    public init(
        topic: String, payload: [UInt8], retained: Bool, redelivered: Bool = false, subscriptions: [Int] = []
    ) {
        self.subscriptions = subscriptions
        self.topic = topic
        self.payload = payload
        self.retained = retained
        self.redelivered = redelivered
    }
}

/// Why a call to the broker failed. Never names a password or a payload.
public struct MQTTError: Error, Equatable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// Try again later, on a new connection.
        case reconnect
        /// The settings cannot work as they are (a file that cannot be read, a name that is not valid).
        case setup
        /// The broker will not take this message, ever: too large, topic not allowed.
        case reject
        /// The broker is there and acknowledges nothing: try on a new connection.
        case silence
    }

    public let kind: Kind
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
