// Headgate
// SPDX-License-Identifier: Apache-2.0

import MQTT
import Waiting

/// The brokers of one output, in the order of the configuration, and the one that the output uses now.
///
/// After a lost connection the output tries the same broker first. It goes on to the next one if it cannot connect, if the broker
/// does not take its messages, or if the primary host of an edge node is not online there (Sparkplug 3.0.0, 5.5 and 5.10). It
/// does not return to an earlier broker by itself.
struct BrokerWalk {
    struct Broker {
        let settings: MQTTSettings
        fileprivate var shortConnections = ShortConnections()
        fileprivate var pauses = Backoff(base: .milliseconds(250), cap: .seconds(5))
        fileprivate var nextConnection: ContinuousClock.Instant?
        /// Why the output does not connect before `nextConnection`.
        fileprivate var pauseReason = ""
        /// Whether it has been logged that the broker cannot be used, since it was used last.
        fileprivate var isFailureLogged = false

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
        brokers[place].shortConnections.begins(at: now)
    }

    /// The current broker has taken messages.
    mutating func isUsed() {
        brokers[place].isFailureLogged = false
    }

    /// The connection to the current broker is over, if there was one: after a short one the output waits.
    /// - Parameter reason: why the output ended it; nil if the broker did, or the network.
    mutating func ended(at now: ContinuousClock.Instant, _ reason: String?) {
        switch brokers[place].shortConnections.ends(at: now) {
        case true:
            let count = brokers[place].shortConnections.count
            if reason != nil { brokers[place].shortConnections = ShortConnections() }
            wait(from: now, reason ?? "the broker closed \(count) connections within seconds; see its log")
        case false: brokers[place].pauses.reset()
        case nil: break
        }
    }

    private mutating func wait(from now: ContinuousClock.Instant, _ reason: String) {
        brokers[place].nextConnection = now + brokers[place].pauses.next()
        brokers[place].pauseReason = reason
    }

    /// The current broker cannot be used.
    /// - Returns: whether this is logged: the first time, and where there are other brokers. A single one is the output's trouble.
    mutating func failed() -> Bool {
        defer { brokers[place].isFailureLogged = true }
        return brokers.count > 1 && !brokers[place].isFailureLogged
    }
}
