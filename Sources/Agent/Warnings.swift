// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
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

    /// More of a kind are counted together, and not kept one by one. Those that last are as many as the configuration has reasons
    /// for.
    private static let mostOfKind = 200
    private static let mostLogged = 2_000
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
            if kind.isOfEvents, state.current[key] == nil {
                Self.forgetOld(&state, now)
                if state.current.keys.count(where: { $0.kind == kind }) >= Self.mostOfKind { key.subject = "others" }
            }
            if var known = state.current[key] {
                let (sum, isTooMuch) = known.count.addingReportingOverflow(max(0, count))
                (known.last, known.count, known.text, known.next) = (now, isTooMuch ? .max : sum, text, next)
                state.current[key] = known
                return false
            }
            state.current[key] = Warning(
                kind: kind, subject: key.subject, text: text, next: next, since: now, last: now, count: max(1, count))
            if let logged = state.logged[key], now.microseconds(since: logged) < Self.quiet { return false }
            if state.logged.count >= Self.mostLogged { state.logged.removeAll() }
            state.logged[key] = now
            return true
        }
        guard isNew else { return }
        logs[kind.part].warning(
            kind.code, "\(text)", metadata: ["warning": "\(kind.rawValue)", "of": "\(subject)", "next": "\(next)"])
    }

    func clear(_ kind: Warning.Kind, of subject: String) {
        state.withLock { _ = $0.current.removeValue(forKey: Key(kind: kind, subject: subject)) }
    }

    private static func forgetOld(_ state: inout State, _ now: Timestamp) {
        for (key, warning) in state.current where key.kind.isOfEvents {
            if now.microseconds(since: warning.last) > quiet { state.current[key] = nil }
        }
    }

    /// The longest standing first.
    var current: [Warning] {
        let now = now()
        return state.withLock { state in
            Self.forgetOld(&state, now)
            return state.current.values.sorted {
                ($0.since, $0.kind.rawValue, $0.subject) < ($1.since, $1.kind.rawValue, $1.subject)
            }
        }
    }
}
