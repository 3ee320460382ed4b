// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Metrics
import Synchronization

/// The state of a link and the polls of its devices, for the status and the warnings.
public final class LinkMonitor: Sendable {
    public struct State: Sendable, Equatable {
        /// Nil until the first attempt has come to an end.
        public var isUp: Bool?
        public var since: Timestamp
        /// Why it is down.
        public var reason: String?
        /// When something was received over it last.
        public var lastReceived: Timestamp?
        /// What became of the connections made to it since the start; empty if no device dials it.
        public var dialIns: [DialIn: Int] = [:]
    }

    /// What became of a connection made to a port that a device dials.
    public enum DialIn: String, Sendable, CaseIterable {
        /// The device answered over it.
        case accepted
        case refused
        /// Its other end closed it before the device answered.
        case closed
    }

    /// What became of a device's polls since the start.
    public struct Polls: Sendable, Equatable {
        public var count = 0
        /// Those that brought less than was asked for: no answer, a damaged one, a gateway's exception.
        public var failed = 0
        /// The last 64, the newest in the lowest bit: 1 for one that failed.
        fileprivate var last: UInt64 = 0
    }

    /// Of the last 64 polls: more are a warning, and so few end it.
    private static let (mostFailed, fewFailed) = (3, 1)

    private let polls = Mutex<[String: Polls]>([:])
    private let name: String
    private let address: String
    private let warnings: any WarningSink
    private let current = Mutex(State(isUp: nil, since: .now))

    public init(name: String, address: String, warnings: any WarningSink = NoWarnings()) {
        self.name = name
        self.address = address
        self.warnings = warnings
    }

    public var state: State { current.withLock { $0 } }

    func connected() {
        let wasUp = current.withLock { state in
            defer { if state.isUp != true { (state.isUp, state.since, state.reason) = (true, .now, nil) } }
            return state.isUp == true
        }
        if !wasUp { warnings.clear(.linkDown, of: name) }
    }

    /// - Parameter next: what to do about it.
    func disconnected(_ reason: String, next: String) {
        current.withLock { state in
            if state.isUp != false { (state.isUp, state.since) = (false, .now) }
            state.reason = reason
        }
        warnings.warn(.linkDown, of: name, "\(address) cannot be reached: \(reason)", next: next)
    }

    /// - Parameter isOffline: whether the device is known to be offline, which says enough.
    func polled(_ device: String, hasFailed: Bool, isOffline: Bool) {
        let last = polls.withLock { polls in
            var one = polls[device] ?? Polls()
            one.count += 1
            if hasFailed { one.failed += 1 }
            one.last = one.last << 1 | (hasFailed ? 1 : 0)
            polls[device] = one
            return one.last
        }
        let failed = last.nonzeroBitCount
        if failed > Self.mostFailed, hasFailed, !isOffline {
            warnings.warn(
                .pollsLost, of: device, "\(failed) of the last 64 polls of the device failed",
                next: "check the causes in headgate_modbus_errors_total, the cable and the `timeout`")
        } else if failed <= Self.fewFailed || isOffline {
            warnings.clear(.pollsLost, of: device)
        }
    }

    /// By device.
    public var pollsByDevice: [String: Polls] { polls.withLock { $0 } }

    func dialledIn(_ outcome: DialIn) {
        current.withLock { $0.dialIns[outcome, default: 0] += 1 }
        Counter(
            label: "headgate_dial_in_connections_total", dimensions: [("link", name), ("outcome", outcome.rawValue)]
        ).increment()
    }

    func received(at time: Timestamp) { current.withLock { $0.lastReceived = time } }
}
