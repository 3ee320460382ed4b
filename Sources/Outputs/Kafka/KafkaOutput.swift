// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Kafka
import Logging
import Waiting

/// How an output reaches a Kafka cluster.
package struct KafkaOutputSettings: Sendable {
    package enum SASL: String, Sendable {
        case plain = "PLAIN"
        case scram256 = "SCRAM-SHA-256"
        case scram512 = "SCRAM-SHA-512"
    }

    package struct TLS: Sendable {
        package var ca: String?
        package var certificate: String?
        package var key: String?

        package init(ca: String?, certificate: String?, key: String?) {
            self.ca = ca
            self.certificate = certificate
            self.key = key
        }
    }

    /// host:port, one at least.
    package var brokers: [String]
    package var clientID: String
    /// none, gzip, snappy, lz4 or zstd.
    package var compression = "none"
    package var tls: TLS?
    package var sasl: (mechanism: SASL, username: String, password: String)?

    package init(brokers: [String], clientID: String) {
        self.brokers = brokers
        self.clientID = clientID
    }

    /// As librdkafka's properties (CONFIGURATION.md).
    var properties: [String: String] {
        var properties = [
            "bootstrap.servers": brokers.joined(separator: ","),
            "client.id": clientID,
            "compression.codec": compression,
            // In order, and none twice, within one producer's life.
            "enable.idempotence": "true",
            // Never give a message up: how long to keep it is the outbox's affair. The default is five minutes.
            "message.timeout.ms": "0",
            // The outbox is the queue; this one only feeds the connection.
            "queue.buffering.max.kbytes": "4096",
            "linger.ms": "5",
            "reconnect.backoff.ms": "500",
            "reconnect.backoff.max.ms": "15000",
            "security.protocol": tls == nil
                ? (sasl == nil ? "plaintext" : "sasl_plaintext") : (sasl == nil ? "ssl" : "sasl_ssl"),
        ]
        if let tls {
            properties["ssl.ca.location"] = tls.ca
            properties["ssl.certificate.location"] = tls.certificate
            properties["ssl.key.location"] = tls.key
        }
        if let sasl {
            properties["sasl.mechanism"] = sasl.mechanism.rawValue
            properties["sasl.username"] = sasl.username
            properties["sasl.password"] = sasl.password
        }
        return properties
    }
}

/// Sends events to Kafka, keyed by device; a window is settled by its delivery reports.
///
/// Serialises the producer, on a queue of its own: `send` blocks there until every message is reported on. librdkafka
/// connects again by itself, with growing, jittered pauses.
package actor KafkaOutput: Output {
    nonisolated private let executor: BlockingExecutor
    nonisolated package var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let settings: KafkaOutputSettings
    private let logger: Logger
    private var producer: KafkaProducer?
    private var hasTrouble = false
    private var fatal: String?

    package init(_ settings: KafkaOutputSettings, name: String, logger: Logger) {
        executor = BlockingExecutor(label: "headgate.kafka.\(name)")
        self.settings = settings
        self.logger = logger
    }

    package func send(_ window: Outgoing) -> SendOutcome {
        var verdicts = [Verdict?](repeating: nil, count: window.messages.count)
        do throws(KafkaError) {
            if producer == nil { producer = try KafkaProducer(settings.properties) }
            try produce(window, &verdicts)
            while verdicts.contains(where: { $0 == nil }), !Task.isCancelled, fatal == nil {
                poll(milliseconds: 100, &verdicts)
            }
        } catch {
            return SendOutcome(verdicts, failure: OutputFailure("\(error)"))
        }
        if let reason = fatal {
            // A producer that has met a fatal error sends nothing more; a new one goes on from the cursor.
            fatal = nil
            producer = nil
            return SendOutcome(verdicts, failure: OutputFailure("fatal: \(reason)"))
        }
        if Task.isCancelled { producer?.purge() }
        return SendOutcome(verdicts, failure: nil)
    }

    private func produce(_ window: Outgoing, _ verdicts: inout [Verdict?]) throws(KafkaError) {
        for (index, message) in window.messages.enumerated() {
            while !Task.isCancelled, fatal == nil {
                do throws(KafkaError) {
                    try window.withPayload(of: message) { payload throws(KafkaError) in
                        try producer?.produce(
                            topic: message.topic, key: message.key, value: payload, headers: message.attributes,
                            time: message.time.microseconds / 1_000, tag: index)
                    }
                    break
                } catch {
                    switch error.kind {
                    case .queueFull: poll(milliseconds: 100, &verdicts)
                    case .reject:
                        verdicts[index] = .rejected(error.description)
                    case .fatal: fatal = error.description
                    case .retry, .setup: throw error
                    }
                    if error.kind == .reject { break }
                }
            }
        }
    }

    private func poll(milliseconds: Int32, _ verdicts: inout [Verdict?]) {
        producer?.poll(milliseconds: milliseconds) { event in
            switch event {
            case .delivered(let tag, let error):
                guard verdicts.indices.contains(tag) else { return }
                verdicts[tag] = Self.verdict(error)
                if error == nil { hasTrouble = false }
            case .trouble(let error): note(error)
            }
        }
    }

    private static func verdict(_ error: KafkaError?) -> Verdict {
        guard let error else { return .delivered }
        return error.kind == .reject ? .rejected(error.description) : .failed(error.description)
    }

    private func note(_ error: KafkaError) {
        if error.kind == .fatal { fatal = error.description }
        if !hasTrouble { logger.warning("broker trouble", metadata: ["error": "\(error)"]) }
        hasTrouble = true
    }

    package func tend() {
        var none: [Verdict?] = []
        poll(milliseconds: 0, &none)
    }

    package func close() {
        producer = nil
    }
}
