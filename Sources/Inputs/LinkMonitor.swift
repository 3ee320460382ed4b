// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Synchronization

/// Whether a link is up, since when and why not: what its thread knows, for those who look on.
public final class LinkMonitor: Sendable {
    public struct State: Sendable, Equatable {
        /// Nil until the first attempt has come to an end.
        public var isUp: Bool?
        public var since: Timestamp
        /// Why it is down.
        public var reason: String?
        /// When something was received over it last.
        public var lastReceived: Timestamp?
    }

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

    func isUp() {
        let wasUp = current.withLock { state in
            defer { if state.isUp != true { (state.isUp, state.since, state.reason) = (true, .now, nil) } }
            return state.isUp == true
        }
        if !wasUp { warnings.clear(.linkDown, of: name) }
    }

    /// - Parameter next: what to do about it.
    func isDown(_ reason: String, next: String) {
        current.withLock { state in
            if state.isUp != false { (state.isUp, state.since) = (false, .now) }
            state.reason = reason
        }
        warnings.warn(.linkDown, of: name, "\(address) cannot be reached: \(reason)", next: next)
    }

    func received(at time: Timestamp) { current.withLock { $0.lastReceived = time } }
}
