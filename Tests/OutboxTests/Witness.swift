// Headgate
// SPDX-License-Identifier: Apache-2.0

import Outbox
import Synchronization

/// What an outbox says it has committed, as those hear it who watch live.
final class Witness: Sendable {
    private let commits = Mutex<[Outbox.Committed]>([])

    func note(_ commit: Outbox.Committed) {
        commits.withLock { $0.append(commit) }
    }

    func take() -> [Outbox.Committed] {
        commits.withLock { commits in
            defer { commits.removeAll() }
            return commits
        }
    }
}

/// Lets go of an outbox as a crash would, and waits until its lock is gone too: its queue may hold it for a moment.
func released(_ outbox: inout Outbox?) async {
    weak let old = outbox
    outbox = nil
    let deadline = ContinuousClock.now + .seconds(10)
    while old != nil, .now < deadline { await Task.yield() }
}
