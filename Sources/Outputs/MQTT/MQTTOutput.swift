// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import MQTT
import Synchronization
import Waiting

/// Sends events to an MQTT broker, or to one of several, at QoS 1; an event is settled by its PUBACK.
///
/// Serialises the connection, on a queue of its own. A connection that ends is not mended but made anew, and the
/// window is sent again from its first unsettled event, with the same ids.
public actor MQTTOutput: Output {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let name: String
    private let retain: Bool
    let logger: Logger
    private var brokers: BrokerWalk
    var connection: MQTTConnection?
    private var suspect = Suspect()
    /// Where it speaks as one.
    var edgeNode: EdgeNode?
    /// Whether the output goes on to the next broker before it connects again.
    private var leavesBroker = false
    /// Births and deaths of it that the broker has not answered.
    var unanswered: Set<Int32> = []
    /// Before this an edge node without anything to tell does not try to connect.
    private var nextTry = ContinuousClock.now
    /// Why an edge node cannot be there.
    private let absence = Mutex<String?>(nil)
    nonisolated public let tendInterval: Duration

    /// - Parameters:
    ///   - brokers: at least one; the output uses the first that can be used.
    ///   - sparkplug: where messages are of Sparkplug B, what it says, and the host it waits for.
    public init(
        _ brokers: [MQTTSettings], retain: Bool, sparkplug: EdgeNodeSettings? = nil,
        name: String, logger: Logger
    ) {
        edgeNode = sparkplug.map { EdgeNode($0) }
        tendInterval = sparkplug == nil ? .seconds(5) : .milliseconds(250)
        executor = BlockingExecutor(label: "mqtt-output.\(name)")
        self.name = name
        self.brokers = BrokerWalk(brokers)
        self.retain = retain
        self.logger = logger
    }

    private static let connectTimeout = Duration.seconds(10)
    /// A broker that acknowledges nothing for this long is given up, and tried anew.
    private static let silenceLimit = Duration.seconds(30)

    public func send(_ window: Outgoing) -> SendOutcome {
        var verdicts = [Verdict?](repeating: nil, count: window.messages.count)
        do throws(MQTTError) {
            try connectIfNeeded()
            try obey()
        } catch {
            drop()
            return SendOutcome(settled: 0, failure: OutputFailure(error.description))
        }
        if let hindrance = edgeNode?.hindrance { return SendOutcome(settled: 0, failure: OutputFailure(hindrance)) }
        do throws(MQTTError) {
            try publish(window, &verdicts)
            for message in edgeNode?.farewells() ?? [] { try publish(message) }
            for message in edgeNode?.deaths(at: .now, isThrough: false) ?? [] { try publish(message) }
            do throws(MQTTError) { try obey() } catch {
                // What the host did not see any more is told again.
                verdicts = verdicts.map { _ in nil }
                throw error
            }
            absence.withLock { $0 = edgeNode?.hindrance }
            suspect.clear()
            if let refusal = Self.refusal(verdicts) {
                if brokers.count > 1 { leaveBroker(refusal) }
            } else {
                brokers.isUsed()
            }
            return SendOutcome(verdicts, failure: nil)
        } catch {
            // A broker that is there and acknowledges nothing may do so for ever.
            if error.kind == .silence { leaveBroker(error.description) } else { drop() }
            let outcome = SendOutcome(verdicts, failure: OutputFailure(Self.refusal(verdicts) ?? error.description))
            guard error.kind != .silence else { return outcome }
            // MQTT 5 tells what it does not take; with 3.1.1 a closed connection may be the only word.
            return brokers.current.settings.version == .v311 ? suspect.judge(outcome, window) : outcome
        }
    }

    private func publish(_ window: Outgoing, _ verdicts: inout [Verdict?]) throws(MQTTError) {
        var places: [Int32: Int] = [:]
        let count = suspect.isSuspected ? 1 : window.messages.count
        for (index, message) in window.messages.prefix(count).enumerated() {
            if let reason = tooLarge(message) {
                verdicts[index] = .rejected(reason)
                continue
            }
            do throws(MQTTError) {
                if let role = message.role {
                    switch try publish(message, role, of: window) {
                    case .sent(let id): places[id] = index
                    case .said(let verdict): verdicts[index] = verdict
                    }
                    continue
                }
                let id = try window.withPayload(of: message) { payload throws(MQTTError) in
                    try connection?.publish(
                        topic: message.topic, payload: payload, retain: retain && !message.isBacklog,
                        contentType: message.contentType)
                }
                if let id { places[id] = index }
            } catch  where error.kind == .reject {
                verdicts[index] = .rejected(error.description)
            }
        }
        try awaitSettled(places, &verdicts)
    }

    private func awaitSettled(_ places: [Int32: Int], _ verdicts: inout [Verdict?]) throws(MQTTError) {
        var outstanding = places.count
        var lastSign = ContinuousClock.now
        while outstanding > 0, !Task.isCancelled {
            let end: MQTTError?
            do throws(MQTTError) {
                try exchange(milliseconds: 100)
                end = nil
            } catch {
                end = error
            }
            // Also what came just before the connection ended: the broker's last word may be why.
            for (id, reason) in try takeSettled() {
                guard let index = places[id] else { continue }
                verdicts[index] = Self.verdict(reason)
                outstanding -= 1
                lastSign = .now
            }
            if let end { throw end }
            guard lastSign.duration(to: .now) < Self.silenceLimit else {
                throw MQTTError(.silence, "the broker acknowledges no message")
            }
        }
    }

    /// What the broker said against a message, which tells more than that it closed the connection.
    private static func refusal(_ verdicts: [Verdict?]) -> String? {
        for case .failed(let reason)? in verdicts { return reason }
        return nil
    }

    /// MQTT 5, 3.4.2.1. What may be mended by an operator (not authorised, quota) is tried again, never given up.
    private static func verdict(_ reason: Int32) -> Verdict {
        switch reason {
        case 0..<128: .delivered
        case 0x90: .rejected("the broker does not allow this topic name")
        case 0x95: .rejected("larger than the broker takes")
        case 0x99: .rejected("the broker refuses the payload's format")
        case 0x87: .failed("not authorised to publish")
        case 0x97: .failed("the broker's quota is used up")
        default: .failed("the broker refuses (reason \(reason))")
        }
    }

    private func tooLarge(_ message: Outgoing.Message) -> String? {
        // Header, packet id and properties of ours take fewer than 64 bytes.
        let size = message.payload.count + message.topic.utf8.count + 64
        guard let limit = connection?.maximumPacketSize, size > Int(limit) else { return nil }
        return "larger than the broker takes (\(limit) bytes)"
    }

    // MARK: Connection

    /// Ends the session at a broker that is there and cannot be used.
    func leaveBroker(_ reason: String) {
        if brokers.failed() { logNext(reason) }
        leave()
        drop(reason)
        leavesBroker = true
    }

    private func logNext(_ reason: String) {
        logger.warning(
            .brokerSkipped, "The output cannot use a broker; it tries the next one",
            metadata: ["output": "\(name)", "broker": "\(brokers.current.address)", "reason": "\(reason)"])
    }

    private func connectIfNeeded() throws(MQTTError) {
        if connection != nil {
            do throws(MQTTError) { try exchange(milliseconds: 0) } catch { drop() }
        }
        if connection != nil { return }
        if leavesBroker { brokers.goOn() }
        leavesBroker = false
        var failures: [String] = []
        for _ in 0..<brokers.count where !Task.isCancelled {
            do throws(MQTTError) { return try connect() } catch {
                leavesBroker = false
                if brokers.count == 1 { throw error }
                failures.append("\(brokers.current.address): \(error)")
                if brokers.failed() { logNext(error.description) }
                brokers.goOn()
            }
        }
        throw MQTTError(.reconnect, failures.joined(separator: "; "))
    }

    /// Connects to the current broker.
    private func connect() throws(MQTTError) {
        if let reason = brokers.pause(at: .now) { throw MQTTError(.reconnect, reason) }
        let deadline = ContinuousClock.now + Self.connectTimeout
        let fresh = try established(until: deadline)
        edgeNode?.sessionBegan()
        // Header, packet id, topic and properties of ours take fewer.
        edgeNode?.mostBytes = fresh.maximumPacketSize.map { Int($0) - 512 } ?? .max
        unanswered = []
        connection = consume fresh
        let isLogged = brokers.connected(at: .now)
        if edgeNode != nil {
            do throws(MQTTError) { try listen(until: deadline) } catch {
                drop(isClosedByBroker ? nil : error.description)
                throw error
            }
            if brokers.count > 1, let hindrance = edgeNode?.hindrance {
                leave()
                drop(hindrance)
                throw MQTTError(.reconnect, hindrance)
            }
        }
        if isLogged {
            logger.notice("connected", metadata: ["output": "\(name)", "broker": "\(brokers.current.address)"])
        }
    }

    private func established(until deadline: ContinuousClock.Instant) throws(MQTTError) -> MQTTConnection {
        var settings = brokers.current.settings
        if let will = edgeNode?.will() { settings.will = will }
        let fresh = try MQTTConnection(settings)
        try fresh.connect()
        var isReached = false
        do throws(MQTTError) {
            while true {
                fresh.wait(milliseconds: 20)
                try fresh.read(packets: 1)
                if case .connected = fresh.state { return fresh }
                if case .disconnected(let reason) = fresh.state { throw MQTTError(.reconnect, reason) }
                if ContinuousClock.now > deadline || Task.isCancelled {
                    throw MQTTError(.reconnect, "the broker did not answer CONNECT")
                }
                try fresh.write()
                // The CONNECT leaves with the first write after the connection of TCP is made.
                isReached = isReached || fresh.isReached
            }
        } catch {
            // The CONNACK may be lost: then the broker publishes the will of a session that it has accepted.
            if isReached, !fresh.isRefused { edgeNode?.sessionBegan() }
            throw error
        }
    }

    private var isClosedByBroker: Bool {
        if case .disconnected? = connection?.state { true } else { false }
    }

    /// The connection is over.
    /// - Parameter reason: why the output ended it; nil if the broker did, or the network.
    private func drop(_ reason: String? = nil) {
        connection = nil
        brokers.ended(at: .now, reason)
    }

    func exchange(milliseconds: Int32) throws(MQTTError) {
        try connection?.write()
        connection?.wait(milliseconds: milliseconds, forWriting: true)
        try connection?.read(packets: 1_024)
        if case .disconnected(let reason)? = connection?.state { throw MQTTError(.reconnect, reason) }
    }

    public func tend() {
        do throws(MQTTError) {
            // An edge node is there whether it has something to tell or not.
            if edgeNode != nil, connection != nil || nextTry <= .now {
                nextTry = .now + .seconds(1)
                try connectIfNeeded()
            }
            guard connection != nil else { return }
            try exchange(milliseconds: 0)
            _ = try takeSettled()
            try obey()
            for message in edgeNode?.deaths(at: .now, isThrough: true) ?? [] { try publish(message) }
            absence.withLock { $0 = edgeNode?.hindrance }
        } catch {
            drop()
            if edgeNode != nil { absence.withLock { $0 = error.description } }
        }
    }

    nonisolated public var trouble: String? { absence.withLock { $0 } }

    public func close() {
        leave()
        drop()
    }
}
