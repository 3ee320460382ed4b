// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import Synchronization

/// The warnings that are active: kept while they last, logged when they begin.
final class Warnings: WarningSink {
    private struct Key: Hashable {
        var kind: Warning.Kind
        var subject: String
    }

    private struct State {
        var current: [Key: Warning] = [:]
        /// When each was logged last, so that what comes and goes does not fill the log.
        var logged: [Key: Timestamp] = [:]
    }

    /// More are counted by kind, and not kept one by one.
    private static let mostKept = 1_000
    /// What comes back sooner is not logged again, in microseconds.
    private static let quiet: Int64 = 3_600_000_000

    private let logs: Logs
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())

    init(logs: Logs, now: @escaping @Sendable () -> Timestamp = { .now }) {
        self.logs = logs
        self.now = now
    }

    func warn(_ kind: Warning.Kind, of subject: String, count: Int, _ text: String, next: String) {
        let now = now()
        let isNew = state.withLock { state in
            var key = Key(kind: kind, subject: subject)
            if state.current[key] == nil, state.current.count >= Self.mostKept { key.subject = "others" }
            if var known = state.current[key] {
                let (sum, isTooMuch) = known.count.addingReportingOverflow(max(0, count))
                (known.last, known.count, known.text, known.next) = (now, isTooMuch ? .max : sum, text, next)
                state.current[key] = known
                return false
            }
            state.current[key] = Warning(
                kind: kind, subject: key.subject, text: text, next: next, since: now, last: now, count: max(1, count))
            if let logged = state.logged[key], now.microseconds(since: logged) < Self.quiet { return false }
            if state.logged.count >= 2 * Self.mostKept { state.logged.removeAll() }
            state.logged[key] = now
            return true
        }
        guard isNew else { return }
        logs[kind.part].warning(
            "\(text)", metadata: ["warning": "\(kind.rawValue)", "of": "\(subject)", "next": "\(next)"])
    }

    func clear(_ kind: Warning.Kind, of subject: String) {
        state.withLock { _ = $0.current.removeValue(forKey: Key(kind: kind, subject: subject)) }
    }

    /// The longest standing first.
    var current: [Warning] {
        let now = now()
        return state.withLock { state in
            for (key, warning) in state.current where key.kind.isOfEvents {
                if now.microseconds(since: warning.last) > Self.quiet { state.current[key] = nil }
            }
            return state.current.values.sorted {
                ($0.since, $0.kind.rawValue, $0.subject) < ($1.since, $1.kind.rawValue, $1.subject)
            }
        }
    }
}
