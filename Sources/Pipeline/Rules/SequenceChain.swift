// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Finds steps that come about one after the other within a time: the first holds, then each of the others begins to.
///
/// For each step it is enough to know the latest first step that leads there: any other is further away.
struct SequenceChain {
    struct Link {
        var first: Timestamp
        var causes: [Cause]
    }

    /// By step, the latest way to it.
    var links: [Link?] = []
    /// By step, what was known of it last.
    var known: [Bool] = []

    /// A clock was set: what was before stays as long ago as it was.
    mutating func move(by microseconds: Int64) {
        for place in links.indices {
            if let first = links[place]?.first { links[place]?.first = first.advanced(byMicroseconds: microseconds) }
        }
    }

    /// - Parameters:
    ///   - truths: of each step now.
    ///   - within: microseconds from the first to the last.
    ///   - readings: of each step now.
    /// - Returns: the readings of all steps, where this is the last.
    mutating func step(
        _ truths: [Bool?], at time: Timestamp, within: Int64, readings: [[Cause]]
    ) -> [Cause]? {
        if links.count != truths.count {
            links = truths.map { _ in nil }
            known = truths.map { _ in false }
        }
        let before = known
        for place in truths.indices { known[place] = truths[place] ?? known[place] }
        var found: [Cause]?
        // From the last on, so that one reading takes one step of a way only.
        for place in truths.indices.reversed() where truths[place] == true {
            if place == 0 {
                links[0] = Link(first: time, causes: readings[0])
            } else if !before[place], let before = links[place - 1], time.microseconds(since: before.first) <= within,
                before.first >= links[place]?.first ?? before.first
            {
                links[place] = Link(first: before.first, causes: before.causes + readings[place])
                if place == truths.count - 1 { found = links[place]?.causes }
            }
        }
        // Each way is gone once.
        if found != nil { links = truths.map { _ in nil } }
        return found
    }
}
