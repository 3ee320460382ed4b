// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Outbox

@Suite("Room on the disk")
struct DiskRoomTests {
    private let start = ContinuousClock.now

    /// A thousand bytes are wanted, and a hundred are to be left free.
    private func room(_ share: Int64) -> DiskRoom {
        var room = DiskRoom(maxSize: 1_000, reserve: 100)
        room.look(share: share, now: start)
        return room
    }

    @Test(
        "a disk with room gives max_size, a smaller one its share but for the reserve",
        arguments: [
            (10_000, 1_000), (1_100, 1_000), (1_099, 999), (600, 500), (120, 30), (0, 0),
        ] as [(Int64, Int64)])
    func limits(share: Int64, limit: Int64) {
        #expect(room(share).limit == limit)
    }

    @Test("a share that is smaller for a moment stays what it was; one that stays smaller does not")
    func patience() {
        var room = room(800)
        room.look(share: 300, now: start + .seconds(1))
        room.look(share: 300, now: start + .seconds(10))
        #expect(room.limit == 700)
        room.look(share: 800, now: start + .seconds(11))
        room.look(share: 300, now: start + .seconds(12))
        room.look(share: 300, now: start + .seconds(21))
        #expect(room.limit == 700)
        room.look(share: 300, now: start + .seconds(22))
        #expect(room.limit == 200)
    }

    @Test("a share that grows counts at once")
    func growth() {
        var room = room(300)
        room.look(share: 900, now: start)
        #expect(room.limit == 800)
    }
}
