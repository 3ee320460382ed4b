// Headgate
// SPDX-License-Identifier: Apache-2.0

import MQTT
import Waiting

/// The brokers of one output, in the order of the configuration, and the one that the output uses now.
///
/// The output stays with a broker until the connection fails, or until the primary host of an edge node goes offline there;
/// then it goes on to the next one (Sparkplug 3.0.0, 5.4.4 and 5.6). It does not return to an earlier broker by itself.
struct BrokerWalk {
    struct Broker {
        let settings: MQTTSettings
        fileprivate var shortConnections = ShortConnections()
        fileprivate var pauses = Backoff(base: .milliseconds(250), cap: .seconds(5))
        fileprivate var nextConnection: ContinuousClock.Instant?
        /// Why the output does not connect before `nextConnection`.
        fileprivate var pauseReason = ""
        /// The last failure that was logged, until the broker is connected.
        fileprivate var loggedFailure: String?

        var address: String { "\(settings.host):\(settings.port)" }
    }

    private var brokers: [Broker]
    private var place = 0

    /// - Parameter brokers: at least one.
    init(_ brokers: [MQTTSettings]) {
        precondition(!brokers.isEmpty, "an output without a broker")
        self.brokers = brokers.map { Broker(settings: $0) }
    }

    var current: Broker { brokers[place] }
    var count: Int { brokers.count }

    mutating func goOn() {
        place = (place + 1) % brokers.count
    }

    /// Why the current broker is not tried yet; nil once it may be.
    func pause(at now: ContinuousClock.Instant) -> String? {
        guard let next = current.nextConnection, next > now else { return nil }
        return current.pauseReason
    }

    /// A connection to the current broker begins.
    /// - Returns: whether it is logged.
    mutating func connected(at now: ContinuousClock.Instant) -> Bool {
        brokers[place].loggedFailure = nil
        return brokers[place].shortConnections.begins(at: now)
    }

    /// The connection to the current broker is over, if there was one: after a short one the output waits.
    mutating func ended(at now: ContinuousClock.Instant) {
        switch brokers[place].shortConnections.ends(at: now) {
        case true:
            let count = brokers[place].shortConnections.count
            wait(from: now, "the broker closed \(count) connections within seconds; see its log")
        case false: brokers[place].pauses.reset()
        case nil: break
        }
    }

    /// The output leaves the current broker, which did nothing wrong, and comes back to it later.
    mutating func left(at now: ContinuousClock.Instant, _ reason: String) {
        brokers[place].shortConnections = ShortConnections()
        wait(from: now, reason)
    }

    private mutating func wait(from now: ContinuousClock.Instant, _ reason: String) {
        brokers[place].nextConnection = now + brokers[place].pauses.next()
        brokers[place].pauseReason = reason
    }

    /// The current broker cannot be used.
    /// - Returns: whether this is logged: the first time, and where there are other brokers. A single one is the output's trouble.
    mutating func failed(_ reason: String) -> Bool {
        defer { brokers[place].loggedFailure = reason }
        return brokers.count > 1 && brokers[place].loggedFailure == nil
    }
}
