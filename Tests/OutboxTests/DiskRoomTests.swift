// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Outbox

@Suite("Room on the disk")
struct DiskRoomTests {
    private let start = ContinuousClock.now

    /// Ninety bytes are to be left free.
    private func room(_ share: Int64) -> DiskRoom {
        var room = DiskRoom(reserve: 90)
        room.look(share: share, now: start)
        return room
    }

    @Test(
        "a disk gives its share but for the reserve, and a third of that at least",
        arguments: [
            (10_000, 9_910), (120, 30), (50, 30), (-500, 30),
        ] as [(Int64, Int64)])
    func limits(share: Int64, limit: Int64) {
        #expect(room(share).limit == limit)
    }

    @Test("a share that is smaller for a moment stays what it was; one that stays smaller is what it was at most since")
    func patience() {
        var room = room(790)
        room.look(share: 290, now: start + .seconds(1))
        room.look(share: 290, now: start + .seconds(10))
        #expect(room.limit == 700)
        room.look(share: 790, now: start + .seconds(11))
        room.look(share: 780, now: start + .seconds(12))
        room.look(share: 90, now: start + .seconds(21))
        #expect(room.limit == 700)
        // Smaller by a little for long, and by much for a moment.
        room.look(share: 90, now: start + .seconds(22))
        #expect(room.limit == 690)
        room.look(share: 90, now: start + .seconds(23))
        room.look(share: 90, now: start + .seconds(33))
        #expect(room.limit == 30)
    }

    @Test("a share that grows counts at once")
    func growth() {
        var room = room(300)
        room.look(share: 900, now: start)
        #expect(room.limit == 810)
    }
}
