// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Finds steps that come one after the other within a time.
///
/// For each step it is enough to know the latest first step that leads there: any other is further away.
struct SequenceChain {
    private struct Link {
        var first: Timestamp
        var causes: [Cause]
    }

    /// By step, the latest way to it.
    private var links: [Link?] = []

    /// - Parameters:
    ///   - truths: of each step now.
    ///   - within: microseconds from the first to the last.
    ///   - readings: of each step now.
    /// - Returns: the readings of all steps, where this is the last.
    mutating func step(
        _ truths: [Bool?], at time: Timestamp, within: Int64, readings: [[Cause]]
    ) -> [Cause]? {
        if links.count != truths.count { links = truths.map { _ in nil } }
        var found: [Cause]?
        // From the last on, so that one reading takes one step of a way only.
        for place in truths.indices.reversed() where truths[place] == true {
            if place == 0 {
                links[0] = Link(first: time, causes: readings[0])
            } else if let before = links[place - 1], time.microseconds(since: before.first) <= within,
                before.first >= links[place]?.first ?? before.first
            {
                links[place] = Link(first: before.first, causes: before.causes + readings[place])
                if place == truths.count - 1 { found = links[place]?.causes }
            }
        }
        return found
    }
}
