// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import MQTT
import YAMLText

/// The keys of a connection to an MQTT broker, the same for links and outputs.
struct BrokerKeys {
    private let mapping: YAMLMapping
    private let claims: Claims
    private let resolve: (String) -> String

    init(_ mapping: YAMLMapping, claims: Claims, resolve: @escaping (String) -> String) {
        self.mapping = mapping
        self.claims = claims
        self.resolve = resolve
    }

    /// The broker of a link, which keeps what comes while the gateway is away.
    /// - Parameter url: mqtt://host:port or mqtts://host:port.
    func broker(_ url: YAMLValue, clientID: String) -> Configuration.Broker? {
        let urls = url.isSequence ? url.sequence() ?? [] : [url]
        if url.isSequence {
            url.problem(
                .needsExactlyOneOf, "must be one broker: a link reads from one broker",
                fix: "add a link for each broker")
        }
        // The other keys are read all the same.
        let brokers = brokers(urls, clientID: clientID, keepsSession: true)
        return url.isSequence ? nil : brokers?.first
    }

    /// The brokers of an output, one or several, with the same keys.
    func brokers(_ value: YAMLValue, clientID: String) -> [Configuration.Broker]? {
        guard value.isSequence else { return brokers([value], clientID: clientID, keepsSession: false) }
        let urls = value.sequence() ?? []
        if urls.isEmpty {
            value.problem(.emptyList, "must have at least one broker", fix: "write mqtt: [mqtts://a, mqtts://b]")
        }
        return brokers(urls, clientID: clientID, keepsSession: false)
    }

    /// - Parameter keepsSession: whether the broker should keep what comes while the gateway is away.
    /// - Returns: nil where one of them has a mistake.
    private func brokers(
        _ urls: [YAMLValue], clientID: String, keepsSession: Bool
    ) -> [Configuration.Broker]? {
        let chosenID = mapping.take("client_id")
        let clientID = chosenID?.string() ?? clientID
        let version = mapping.take("version")?.word(["3.1.1": MQTTSettings.Version.v311, "5": .v5]) ?? .v5
        let username = mapping.take("username")?.string()
        let secret = mapping.take("password")
        if username == nil {
            secret?.problem(.incompletePair, "must have a `username` beside it", fix: "add the username")
        }
        let password = secret.flatMap { SecretKeys.secret($0, resolve) }
        let keepAlive = mapping.take("keep_alive")?.duration(atLeast: 15_000_000)
        let expiry = keepsSession ? mapping.take("session_expiry")?.duration(atLeast: 1_000_000) : nil
        let ca = mapping.take("ca")?.pemFile(resolve)
        let (certificate, key) = (mapping.take("certificate"), mapping.take("key"))
        if (certificate == nil) != (key == nil) {
            (certificate ?? key)?.problem(.incompletePair, "must have both `certificate` and `key`")
        }
        let tls = MQTTSettings.TLS(ca: ca, certificate: certificate?.pemFile(resolve), key: key?.pemFile(resolve))
        var listed: Set<String> = []
        let brokers = urls.compactMap { url -> Configuration.Broker? in
            guard let (isSecure, host, port) = Self.parse(url) else { return nil }
            guard listed.insert("\(host):\(port)").inserted else {
                url.problem(.duplicateEntry, "is already in the list", fix: "remove it")
                return nil
            }
            if !claims.claim("mqtt", host, String(port), clientID) {
                (chosenID ?? url).problem(
                    .clientIDTaken,
                    "`\(clientID)` is the client ID of another link or output at this broker: the broker would disconnect one of the two",
                    fix: "give each its own `client_id`")
            }
            var settings = MQTTSettings(host: host, port: port, clientID: clientID, version: version)
            settings.username = username
            if let keepAlive { settings.keepAlive = UInt16(clamping: keepAlive / 1_000_000) }
            // A week, unless said: as long as the outbox keeps what it has.
            if keepsSession { settings.sessionExpiry = UInt32(clamping: (expiry ?? 604_800_000_000) / 1_000_000) }
            if isSecure {
                settings.tls = tls
            } else if ca != nil || certificate != nil {
                url.problem(
                    .encryptionMismatch, "is an unencrypted connection, and certificates are configured for it",
                    fix: "write mqtts://")
            }
            return Configuration.Broker(settings: settings, password: password)
        }
        if brokers.count == urls.count, Set(brokers.map { $0.settings.tls == nil }).count > 1 {
            urls.last?.problem(
                .encryptionMismatch,
                "mixes mqtt:// and mqtts:// in one list: the password would also be sent unencrypted",
                fix: "write mqtts:// for all brokers, or mqtt:// for all")
        }
        return brokers.isEmpty || brokers.count < urls.count ? nil : brokers
    }

    /// The name of a shared subscription (MQTT 5.0, 4.8.2).
    static func share(_ value: YAMLValue) -> String? {
        guard let name = value.string() else { return nil }
        if name.isEmpty || name.utf8.contains(where: { "/+#".utf8.contains($0) }) {
            value.problem(
                .invalidName, "must be a name without /, + and #", fix: "use the same name at each gateway of the group"
            )
            return nil
        }
        return name
    }

    private static func parse(_ url: YAMLValue) -> (isSecure: Bool, host: String, port: UInt16)? {
        let text = url.scalar ?? ""
        for (scheme, isSecure, port) in [("mqtt://", false, UInt16(1_883)), ("mqtts://", true, UInt16(8_883))] {
            guard text.hasPrefix(scheme) else { continue }
            if let (host, port) = EndpointText.parse(String(text.dropFirst(scheme.count)), defaultPort: port) {
                return (isSecure, host, port)
            }
        }
        url.problem(
            .invalidBrokerAddress, "must be the address of a broker",
            fix: "write mqtt://host:1883 or mqtts://host:8883, without a user")
        return nil
    }
}

/// What only one link or output can have: a client id at a broker (a second client takes over the first one's session,
/// and what waits in it), a file to write.
final class Claims {
    private var taken: Set<[String]> = []

    /// - Returns: false where another has it already.
    func claim(_ parts: String...) -> Bool {
        taken.insert(parts).inserted
    }
}

enum SecretKeys {
    static func secret(_ value: YAMLValue, _ resolve: (String) -> String) -> Secret? {
        guard value.isMapping, let mapping = value.mapping() else {
            value.problem(
                .secretInConfiguration, "must not be in this file: the file is copied and shown to others",
                fix: "write { file: /run/credentials/headgate/NAME } or { env: NAME }")
            return nil
        }
        defer { mapping.finish() }
        let (file, environment) = (mapping.take("file"), mapping.take("env"))
        let secret: Secret? =
            switch (file, environment) {
            case (let file?, nil): file.string().map { .file(resolve($0)) }
            case (nil, let environment?): environment.string().map { .environment($0) }
            default: nil
            }
        if (file == nil) == (environment == nil) {
            value.problem(.needsExactlyOneOf, "must have exactly one of `file` and `env`")
        }
        if let secret { value.prove(secret) }
        return secret
    }
}
