// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// What readings amount to over time.

extension Outbox {
    /// Takes together what is to be, once: what is tried again has been.
    func condense(_ work: inout [Intake.Work]) {
        guard condenser != nil else { return }
        let now = windowTime
        let feed = work.flatMap(\.feed)
        guard !feed.isEmpty || condenser?.nextDue.map({ $0 <= now }) ?? false else { return }
        for index in work.indices { work[index].feed.removeAll() }
        if let said = condenser?.take(feed, at: now) { condensed.append(said) }
        books.windows.add(feed, at: now)
    }

    /// What a commit writes of them; nil for nothing.
    func windowRows() throws -> WindowBook.Rows? {
        guard case .disk = medium, let condenser else {
            books.windows.forgo()
            return nil
        }
        return try books.windows.rows(codec, condenser)
    }

    /// When a window is closed even where nothing comes.
    var nextWindow: ContinuousClock.Instant? {
        // Several that end together are one commit, and whatever is wrong with a time nobody waits for it in a circle.
        condenser?.nextDue.map { .now + .microseconds(max(50_000, $0.microseconds(since: windowTime))) }
    }

    /// The system's clock as it was at the start, and goes on whoever sets it: windows ask how long it is since.
    var windowTime: Timestamp {
        windowStart.wall.advanced(byMicroseconds: Moment.now.microseconds(since: windowStart.steady))
    }
}
