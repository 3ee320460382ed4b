// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Whether all that an edge node has sent since its birth has come: its messages count from 0 to 255 and around
/// (Sparkplug 3.0.0, 6.4.4). Pure.
struct SparkplugSequence {
    /// Nil where its messages are not numbered.
    private var next: UInt8?
    private var missing: Set<UInt8> = []
    private var missedAt: ContinuousClock.Instant?
    /// Whether what came cannot be put in order any more: only a birth can.
    private var isBroken = false
    private(set) var lost = 0

    /// How long a missing message may still come (ibid., 5.9): MQTT keeps the order within a topic only.
    private let reorderTimeout: Duration

    /// - Parameter birth: the number of the node's birth.
    init(birth: UInt8?, reorderTimeout: Duration) {
        next = birth.map { $0 &+ 1 }
        self.reorderTimeout = reorderTimeout
    }

    /// Whether nothing is missing, so that what comes means what it says.
    var isWhole: Bool { missing.isEmpty && !isBroken }

    mutating func note(_ number: UInt8, at now: ContinuousClock.Instant) {
        // The same once more: it is not the count that is wrong.
        guard let next, number != next &- 1 else { return }
        if missing.remove(number) != nil {
            if missing.isEmpty { missedAt = nil }
            return
        }
        let ahead = number &- next
        guard ahead < 128 else {
            // From before: the node begins anew and its birth is lost.
            isBroken = true
            return
        }
        if ahead > 0 {
            for step in 0..<ahead { missing.insert(next &+ step) }
            missedAt = missedAt ?? now
        }
        self.next = number &+ 1
    }

    /// Gives up on what has been missing for too long.
    /// - Returns: whether a birth is needed.
    mutating func needsBirth(at now: ContinuousClock.Instant) -> Bool {
        if let missedAt, missedAt.duration(to: now) >= reorderTimeout {
            lost += missing.count
            missing = []
            self.missedAt = nil
            isBroken = true
        }
        return isBroken
    }

    /// The way to the node was interrupted: nobody knows what is missing.
    mutating func interrupt() {
        isBroken = true
    }
}
