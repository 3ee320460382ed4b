// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Outbox
import Synchronization

/// Events as they are committed, for `tail`. Costs nothing while nobody listens; a slow listener misses some.
final class LiveEvents: Sendable {
    private struct State {
        var listeners: [Int: AsyncStream<[UInt8]>.Continuation] = [:]
        var nextNumber = 0
        var json: EventJSON?
    }

    private static let kept = 4_096
    private let state = Mutex(State())

    func publish(_ commit: Outbox.Committed, gateway: String, catalog: Catalog) {
        state.withLock { state in
            guard !state.listeners.isEmpty else { return }
            var json = state.json ?? EventJSON(gateway: gateway, catalog: catalog)
            for (index, event) in commit.batch.events.enumerated() {
                var out = ByteWriter()
                let id = EventID(epoch: commit.epoch, lane: commit.lane, sequence: commit.first + UInt64(index))
                json.writeEnvelope(event, of: commit.batch, id: id, isReplayed: false, to: &out)
                for listener in state.listeners.values { listener.yield(out.bytes) }
            }
            state.json = json
        }
    }

    func listen() -> AsyncStream<[UInt8]> {
        AsyncStream(bufferingPolicy: .bufferingNewest(Self.kept)) { continuation in
            let number = state.withLock { state in
                defer { state.nextNumber += 1 }
                state.listeners[state.nextNumber] = continuation
                return state.nextNumber
            }
            continuation.onTermination = { _ in
                self.state.withLock { $0.listeners[number] = nil }
            }
        }
    }
}
