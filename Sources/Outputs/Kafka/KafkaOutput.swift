// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Kafka
import Logging
import Synchronization
import Waiting

/// How an output reaches a Kafka cluster.
public struct KafkaOutputSettings: Sendable {
    public enum SASL: String, Sendable {
        case plain = "PLAIN"
        case scram256 = "SCRAM-SHA-256"
        case scram512 = "SCRAM-SHA-512"
    }

    public struct TLS: Sendable {
        public var ca: String?
        public var certificate: String?
        public var key: String?

        public init(ca: String?, certificate: String?, key: String?) {
            self.ca = ca
            self.certificate = certificate
            self.key = key
        }
    }

    /// How a device's key becomes the number of its partition, in librdkafka's words (CONFIGURATION.md, `partitioner`).
    public enum Partitioner: String, Sendable {
        /// As every Java client does it.
        case murmur2 = "murmur2_random"
        /// As librdkafka does it unless told otherwise: by CRC-32.
        case crc32 = "consistent_random"
        /// As Sarama does it, a client in Go.
        case fnv1a = "fnv1a_random"
    }

    /// host:port, one at least.
    public var brokers: [String]
    public var clientID: String
    /// none, gzip, snappy, lz4 or zstd.
    public var compression = "none"
    public var partitioner = Partitioner.murmur2
    public var tls: TLS?
    public var sasl: (mechanism: SASL, username: String, password: String)?
    /// Before anything is sent after a start, what the topics have already is read back and left out.
    public var isExactlyOnce = false
    /// What the ids of this gateway's events begin with.
    public var idPrefix = ""

    public init(brokers: [String], clientID: String) {
        self.brokers = brokers
        self.clientID = clientID
    }

    /// Of a producer, as librdkafka's properties (CONFIGURATION.md).
    var properties: [String: String] {
        clientProperties.merging([
            "compression.codec": compression,
            "partitioner": partitioner.rawValue,
            // A topic that does not exist is told after this many milliseconds: what waits for it is kept in the outbox,
            // not here.
            "topic.metadata.propagation.max.ms": "3000",
            // In order, and none twice, within one producer's life.
            "enable.idempotence": "true",
            // Never give a message up: how long to keep it is the outbox's affair. The default is five minutes.
            "message.timeout.ms": "0",
            // The outbox is the queue; this one only feeds the connection.
            "queue.buffering.max.kbytes": "4096",
            "linger.ms": "5",
        ]) { $1 }
    }

    /// Of a consumer that reads back. It has to name a group, and never joins it.
    var readerProperties: [String: String] {
        clientProperties.merging([
            "group.id": clientID,
            "enable.auto.commit": "false",
            "enable.partition.eof": "true",
            "queued.max.messages.kbytes": "2048",
            "fetch.message.max.bytes": "262144",
        ]) { $1 }
    }

    var clientProperties: [String: String] {
        var properties = [
            "bootstrap.servers": brokers.joined(separator: ","),
            "client.id": clientID,
            "reconnect.backoff.ms": "250",
            "reconnect.backoff.max.ms": "1000",
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
public actor KafkaOutput: Output {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let settings: KafkaOutputSettings
    private let logger: Logger
    private var producer: KafkaProducer?
    private var fatal: String?
    /// Tells a window's delivery reports from late ones of a window before it.
    private var windowNumber = 0
    /// How many messages are still sent one by one, after a broker refused a batch.
    private var alone = 0
    private let currentTrouble = Mutex<String?>(nil)
    /// Set where nothing may be sent twice.
    private var readBack: KafkaReadBack?
    /// Up to where each partition is acknowledged and settled, by place.
    private var marks: [String: Int64] = [:]
    /// Where each message of the window lies, as far as that is told.
    private var offsets: [(place: String, offset: Int64)?] = []
    private var topics: [String] = []
    /// Topics that were refused at the last try, and why. The library waits for seconds for a topic that is missing; what
    /// other topics have must not wait with it.
    private var refusedTopics: [String: String] = [:]

    public init(_ settings: KafkaOutputSettings, name: String, logger: Logger) {
        executor = BlockingExecutor(label: "kafka.\(name)")
        self.settings = settings
        self.logger = logger
        if settings.isExactlyOnce { readBack = KafkaReadBack(settings, prefix: settings.idPrefix, logger: logger) }
    }

    public func resume(after marks: [String: Int64]) {
        self.marks = marks
    }

    nonisolated public var trouble: String? { currentTrouble.withLock { $0 } }

    public func send(_ window: Outgoing) -> SendOutcome {
        windowNumber += 1
        defer { currentTrouble.withLock { $0 = nil } }
        var verdicts = [Verdict?](repeating: nil, count: window.messages.count)
        offsets = Array(repeating: nil, count: window.messages.count)
        topics = window.messages.map(\.topic)
        do throws(KafkaError) {
            try leaveOut(window, &verdicts)
            if producer == nil { producer = try KafkaProducer(settings.properties) }
            leaveOutRefused(window, &verdicts)
        } catch {
            return SendOutcome(verdicts, failure: OutputFailure("\(error)"))
        }
        let count = alone > 0 ? 1 : window.messages.count
        let produced = produce(window, first: count, &verdicts)
        while verdicts[..<produced].contains(where: { $0 == nil }), !Task.isCancelled, fatal == nil {
            poll(milliseconds: 100, &verdicts)
        }
        if let reason = fatal {
            // A producer that has met a fatal error sends nothing more; a new one goes on from the cursor.
            fatal = nil
            producer = nil
            readBack?.forgetTopics()
            return remembered(SendOutcome(verdicts, failure: OutputFailure("fatal: \(reason)")), verdicts, window)
        }
        if Task.isCancelled { producer?.purge() }
        return remembered(judge(verdicts, sent: count), verdicts, window)
    }

    // MARK: Exactly once

    /// What is there already is not sent.
    private func leaveOut(_ window: Outgoing, _ verdicts: inout [Verdict?]) throws(KafkaError) {
        guard var readBack else { return }
        defer { self.readBack = readBack }
        let topics = Set(window.messages.map(\.topic))
        let refused = try readBack.look(into: topics, after: marks) { Task.isCancelled }
        for (index, message) in window.messages.enumerated() {
            if let error = refused[message.topic] {
                verdicts[index] = verdict(error, topic: message.topic)
            } else if readBack.has(message.id) {
                verdicts[index] = .delivered
            }
        }
    }

    /// With how far each partition is settled by it. What was delivered behind a message that was not comes again with the
    /// next window, and is not sent again.
    private func remembered(_ outcome: SendOutcome, _ verdicts: [Verdict?], _ window: Outgoing) -> SendOutcome {
        guard readBack != nil else { return outcome }
        var outcome = outcome
        // Whether what comes after a refused topic is settled is for the outbox to say: it may come again.
        let settled = outcome.refusedTopics.first?.message ?? outcome.settled
        // All of a refused topic comes again, with what was delivered before it was refused.
        let refused = Set(outcome.refusedTopics.map { window.messages[$0.message].topic })
        for (index, message) in window.messages.enumerated() {
            if index < settled, !refused.contains(message.topic) {
                readBack?.forget(message.id)
                if let (place, offset) = offsets[index] {
                    outcome.marks[place] = max(offset, outcome.marks[place] ?? offset)
                }
            } else if case .delivered? = verdicts[index] {
                readBack?.note(message.id)
            }
        }
        marks.merge(outcome.marks) { $1 }
        return outcome
    }

    // MARK: Topics that are refused

    /// Asks for each topic that was refused whether it is there now, before anything is produced for it.
    private func leaveOutRefused(_ window: Outgoing, _ verdicts: inout [Verdict?]) {
        guard window.isOfHeldTopic || !refusedTopics.isEmpty else { return }
        for topic in Set(window.messages.lazy.map(\.topic)) where window.isOfHeldTopic || refusedTopics[topic] != nil {
            if Task.isCancelled { break }
            guard let isThere = try? producer?.has(topic, timeout: 1_000) else {
                // The brokers cannot say: the try to send does, and no other topic is asked for.
                refusedTopics[topic] = nil
                break
            }
            if isThere {
                refusedTopics[topic] = nil
            } else if refusedTopics[topic] == nil {
                refusedTopics[topic] = "topic \(topic): there is no such topic"
            }
        }
        for (index, message) in window.messages.enumerated() where verdicts[index] == nil {
            if let reason = refusedTopics[message.topic] { verdicts[index] = .refusedTopic(reason) }
        }
    }

    // MARK: Producing

    /// - Returns: how many messages there is an answer to be waited for, or one already.
    private func produce(_ window: Outgoing, first count: Int, _ verdicts: inout [Verdict?]) -> Int {
        for (index, message) in window.messages.prefix(count).enumerated() {
            while verdicts[index] == nil {
                if Task.isCancelled || fatal != nil { return index }
                do throws(KafkaError) {
                    try window.withPayload(of: message) { payload throws(KafkaError) in
                        try producer?.produce(
                            topic: message.topic, key: message.key, value: payload, headers: message.attributes,
                            tag: tag(index))
                    }
                    break
                } catch {
                    switch error.kind {
                    case .queueFull: poll(milliseconds: 100, &verdicts)
                    // The library looked at this message alone.
                    case .reject, .rejectBatch: verdicts[index] = .rejected(error.description)
                    case .topic: verdicts[index] = verdict(error, topic: message.topic)
                    case .fatal: fatal = error.description
                    case .retry, .setup:
                        verdicts[index] = verdict(error, topic: message.topic)
                        return index + 1
                    }
                }
            }
        }
        return count
    }

    /// A broker refuses a whole request for one message in it: then they are sent one by one, and who is refused alone
    /// is refused.
    private func judge(_ verdicts: [Verdict?], sent count: Int) -> SendOutcome {
        var verdicts = verdicts
        if alone > 0 { alone -= 1 }
        for (index, verdict) in verdicts.enumerated() {
            guard case .refusedInBatch(let reason) = verdict else { continue }
            if count == 1 {
                verdicts[index] = .rejected(reason)
            } else {
                verdicts[index] = .failed("\(reason); trying one by one")
                alone = count
            }
        }
        return SendOutcome(verdicts, failure: nil)
    }

    // MARK: Reports

    private static let tagBits = 20

    private func tag(_ index: Int) -> Int {
        (windowNumber & 0xFFFF_FFFF) << Self.tagBits | index
    }

    private func poll(milliseconds: Int32, _ verdicts: inout [Verdict?]) {
        producer?.poll(milliseconds: milliseconds) { event in
            switch event {
            case .delivered(let tag, let partition, let offset, let error):
                let index = tag & (1 << Self.tagBits - 1)
                guard tag == self.tag(index), verdicts.indices.contains(index) else { return }
                verdicts[index] = verdict(error, topic: topics[index])
                if error == nil, readBack != nil, offset >= 0 { note(index, partition, offset) }
                if error == nil { currentTrouble.withLock { $0 = nil } }
            case .trouble(let error): note(error)
            }
        }
    }

    private func note(_ index: Int, _ partition: Int32, _ offset: Int64) {
        offsets[index] = (KafkaReadBack.place(topics[index], partition), offset)
    }

    private func verdict(_ error: KafkaError?, topic: String) -> Verdict {
        guard let error else { return .delivered }
        let reason = "topic \(topic): \(error)"
        return switch error.kind {
        case .reject: .rejected(reason)
        case .rejectBatch: .refusedInBatch(reason)
        case .topic: refused(topic, reason)
        case .retry, .fatal, .setup, .queueFull: .failed(reason)
        }
    }

    private func refused(_ topic: String, _ reason: String) -> Verdict {
        refusedTopics[topic] = reason
        return .refusedTopic(reason)
    }

    /// The library goes on trying; until it delivers, the output is down.
    private func note(_ error: KafkaError) {
        if error.kind == .fatal { fatal = error.description }
        let isFirst = currentTrouble.withLock { trouble in
            defer { trouble = error.description }
            return trouble == nil
        }
        if isFirst {
            logger.warning(.brokerError, "The Kafka client reports an error", metadata: ["error": "\(error)"])
        }
    }

    public func tend() {
        var none: [Verdict?] = []
        poll(milliseconds: 0, &none)
        // With nothing to send, a broker that closes an idle connection is no trouble.
        currentTrouble.withLock { $0 = nil }
    }

    public func close() {
        producer = nil
    }
}
