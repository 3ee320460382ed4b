// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Logging
import SQLite
import Waiting

// What rules know over a stop.

extension Outbox {
    /// The state of the rules that was written last before the outbox was opened, and the readings noted since, once; nil
    /// where there is nothing.
    nonisolated public func takeRules() -> (state: [UInt8]?, notes: [[UInt8]])? {
        ruleBook.takeKept().map { ($0.state, $0.notes) }
    }

    /// Keeps what rules know and how far they are, with the next commit; does not wait for it.
    /// - Parameter notes: how many of the notes since the start it includes.
    nonisolated public func keep(ruleState: [UInt8], notes: Int) {
        ruleBook.keep(ruleState, notes: notes)
        intake.bell.ring()
    }

    /// Notes a reading that rules have looked at, to be written with the commit that comes next.
    nonisolated public func note(ruleReadings: [UInt8]) { ruleBook.note(ruleReadings) }

    /// Gives up the state that rules would have kept, where the disk is full: another one comes soon, and is never why
    /// events find no room. What was noted since the last one stays.
    /// - Returns: whether that may help.
    func forgo(_ state: inout RuleBook.State?, _ error: any Error) -> Bool {
        guard state != nil, (error as? SQLiteError)?.kind == .full else { return false }
        state = nil
        ruleBook.forgo()
        logger.warning(
            .ruleStateDelayed, "The disk is full; the state of the rules is saved later",
            metadata: ["error": "\(error)"])
        return true
    }

    /// The state that waits to be written to the disk.
    var ruleState: RuleBook.State? { if case .disk = medium { ruleBook.state } else { nil } }

    /// What a commit writes of them; nil in memory, where it would be gone with the process.
    func pendingRules(with state: RuleBook.State?) -> RuleBook.Pending? {
        if case .disk = medium { ruleBook.pending(with: state) } else { nil }
    }
}
