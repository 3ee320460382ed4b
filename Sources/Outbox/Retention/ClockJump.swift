// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// A moment at which the system's clock jumped ahead.
///
/// A box without a battery for its clock starts in 1970, or at the hour it was switched off, and is set once it finds a
/// time server. What was committed before that is not as old as its time says: its age counts from the jump.
struct ClockJump: Equatable {
    /// The first block after it, by lane.
    var blocks: PerLane<Int64>
    /// What the clock said then.
    var at: Timestamp

    /// What a clock that is slewed does not reach between two looks. Microseconds.
    static let tolerance: Int64 = 60_000_000

    /// Whether a block may be as old as its time says.
    /// - Parameter limit: what was committed before is too old.
    func lets(_ block: Int64, of lane: Lane, goBefore limit: Timestamp) -> Bool {
        block >= blocks[lane] || at < limit
    }
}

extension Database {
    func set(_ jump: ClockJump) throws(SQLiteError) {
        try setMeta("clock jump", jump.at.microseconds)
        for lane in Lane.allCases { try setMeta("clock jump \(lane.rawValue)", jump.blocks[lane]) }
    }

    func clockJump() throws(SQLiteError) -> ClockJump? {
        guard let at = try meta("clock jump") else { return nil }
        var blocks = PerLane<Int64>(repeating: 0)
        for lane in Lane.allCases { blocks[lane] = try meta("clock jump \(lane.rawValue)") ?? 0 }
        return ClockJump(blocks: blocks, at: Timestamp(microseconds: at))
    }
}
