// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging
import SQLite
import Waiting

// What rules know over a stop.

extension Outbox {
    /// What they told last before it was opened, once; nil where that is not known.
    nonisolated public func takeRuleState() -> [UInt8]? { ruleBook.takeKept() }

    /// Keeps what rules know and how far they are, with the next commit; does not wait for it.
    nonisolated public func keep(ruleState: [UInt8]) {
        ruleBook.keep(ruleState)
        intake.bell.ring()
    }

    /// Lets go of what rules would have kept, where the disk is full: it comes again soon, and is never why events find no
    /// room.
    /// - Returns: whether that may help.
    func forgoRules(_ error: any Error) -> Bool {
        guard ruleNote != nil, (error as? SQLiteError)?.kind == .full else { return false }
        ruleBook.forgo()
        logger.warning("there is no room for what rules know: it is kept later", metadata: ["error": "\(error)"])
        return true
    }

    /// What the next commit keeps of them: nothing in memory, where it would be gone with the process.
    var ruleNote: RuleBook.Note? { if case .disk = medium { ruleBook.next } else { nil } }
}
