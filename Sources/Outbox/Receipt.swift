// Headgate
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What a pushing source waits for before it acknowledges: that all it handed over is committed.
public final class Receipt: Sendable {
    private struct State {
        var outstanding = 0
        var hasFailed = false
        var isSealed = false
        var waiter: CheckedContinuation<Bool, Never>?

        /// Whom to tell, and what, once nothing is outstanding.
        mutating func takeVerdict() -> (waiter: CheckedContinuation<Bool, Never>, isSafe: Bool)? {
            guard isSealed, outstanding == 0, let waiter else { return nil }
            self.waiter = nil
            return (waiter, !hasFailed)
        }
    }

    private let state = Mutex(State())

    public init() {}

    public func expect() {
        state.withLock { $0.outstanding += 1 }
    }

    /// - Parameter isSafe: false where the outbox closed without having committed it.
    public func settle(isSafe: Bool) {
        let verdict = state.withLock { state in
            state.outstanding -= 1
            if !isSafe { state.hasFailed = true }
            return state.takeVerdict()
        }
        verdict?.waiter.resume(returning: verdict?.isSafe ?? false)
    }

    /// True once everything that was offered with this receipt survives a power cut; false where the outbox closed
    /// before that, and nothing may be acknowledged.
    public func wait() async -> Bool {
        await withCheckedContinuation { continuation in
            let verdict = state.withLock { state in
                state.isSealed = true
                state.waiter = continuation
                return state.takeVerdict()
            }
            verdict?.waiter.resume(returning: verdict?.isSafe ?? false)
        }
    }
}
