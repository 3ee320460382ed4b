// Headgate
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// The open connections of the admin address, at most so many.
///
/// For one more, the connection is closed that has waited longest for a complete request. Idle and slow clients therefore
/// cannot keep the others out.
final class ConnectionLimit: Sendable {
    private struct State {
        var open: Set<Int> = []
        /// The connections without a complete request, by number: the lowest has waited longest.
        var waiting: [Int: any Channel] = [:]
        var streams = 0
        var next = 0
    }

    private let most: Int
    private let closesOne: @Sendable () -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - most: the number of connections that are open at the same time.
    ///   - closesOne: called for each connection that is closed for another one.
    init(most: Int, closesOne: @escaping @Sendable () -> Void) {
        self.most = most
        self.closesOne = closesOne
    }

    /// The number of clients that receive events.
    var streams: Int { state.withLock { $0.streams } }

    func streamBegan() { state.withLock { $0.streams += 1 } }

    func streamEnded() { state.withLock { $0.streams -= 1 } }

    /// - Returns: the number of a new connection, for `wait`, `answer` and `close`.
    func open(_ channel: any Channel) -> Int {
        let (number, tooMany) = state.withLock { state -> (Int, (any Channel)?) in
            let number = state.next
            state.next += 1
            state.open.insert(number)
            state.waiting[number] = channel
            guard state.open.count > most, let longest = state.waiting.keys.min() else {
                return (number, nil)
            }
            state.open.remove(longest)
            return (number, state.waiting.removeValue(forKey: longest))
        }
        if let tooMany {
            tooMany.close(promise: nil)
            closesOne()
        }
        return number
    }

    /// Keeps a connection open until its complete request is answered.
    func answer(_ number: Int) {
        state.withLock { $0.waiting[number] = nil }
    }

    /// Lets a connection whose request was answered wait for the next.
    /// - Returns: the number of the connection from now on.
    func wait(_ number: Int, _ channel: any Channel) -> Int {
        state.withLock { state in
            guard state.open.remove(number) != nil else { return number }
            defer { state.next += 1 }
            state.open.insert(state.next)
            state.waiting[state.next] = channel
            return state.next
        }
    }

    func close(_ number: Int) {
        state.withLock { state in
            state.open.remove(number)
            state.waiting[number] = nil
        }
    }
}
