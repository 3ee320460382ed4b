// Headgate
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Something one task waits for and others bring about: it suspends until somebody rings, or until a moment comes.
///
/// A ring that nobody waits for is kept for the next who does; several are one.
public final class Doorbell: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    public init() {}

    public func ring() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.isRung = true }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Waits for a ring, for `deadline` or for the task's cancellation. Only one task at a time may wait.
    public func wait(until deadline: ContinuousClock.Instant? = nil) async {
        let timer = deadline.map { deadline in
            Task {
                try await Task.sleep(until: deadline)
                ring()
            }
        }
        defer { timer?.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isRung = state.withLock { state in
                    defer { state.isRung = false }
                    if !state.isRung { state.waiter = continuation }
                    return state.isRung
                }
                if isRung { continuation.resume() }
            }
        } onCancel: {
            ring()
        }
    }
}
