// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Testing

@testable import Inputs

@Suite("What a unit on a line owes")
struct OwedAnswersTests {
    private var owed = OwedAnswers()
    private let start = Moment.now

    private func request(_ count: Int, _ table: RegisterTable = .holding, at address: UInt16 = 0) -> ReadRequest {
        ReadRequest(table: table, address: address, count: count, points: [])
    }

    private mutating func probe(before request: ReadRequest, unit: UInt8 = 1, after seconds: Int = 1) -> ReadRequest? {
        owed.probe(before: request, unit: unit, at: start + .seconds(seconds))
    }

    @Test("nothing is asked in between while nothing is owed")
    mutating func nothing() {
        #expect(probe(before: request(2)) == nil)
    }

    @Test("before a request of the same length comes one of another, at the same place")
    mutating func sameLength() {
        owed.note(request(1, at: 10), unit: 1, at: start)
        let next = probe(before: request(1, at: 20))
        #expect(next?.address == 20)
        #expect(next?.count == 2)
    }

    @Test("what cannot be mistaken is asked as it is: another length, another table, another unit")
    mutating func others() {
        owed.note(request(1, at: 10), unit: 1, at: start)
        #expect(probe(before: request(2)) == nil)
        #expect(probe(before: request(1, .input)) == nil)
        #expect(probe(before: request(1), unit: 2) == nil)
    }

    @Test("a probe that is not answered is owed too")
    mutating func again() throws {
        owed.note(request(1), unit: 1, at: start)
        for length in 2...5 {
            let next = try #require(probe(before: request(1)))
            #expect(next.count == length)
            owed.note(next, unit: 1, at: start)
        }
    }

    @Test("bits come in whole bytes: as many bytes are as long")
    mutating func bits() {
        owed.note(request(3, .coil), unit: 1, at: start)
        #expect(probe(before: request(9, .coil)) == nil)
        #expect(probe(before: request(8, .coil))?.count == 9)
    }

    @Test("an answer ends it, and so do ten seconds, for each request of its own")
    mutating func ends() {
        owed.note(request(1), unit: 1, at: start)
        owed.settle(unit: 1)
        #expect(probe(before: request(1)) == nil)
        owed.note(request(1), unit: 1, at: start)
        #expect(probe(before: request(1), after: 11) == nil)
        owed.note(request(1), unit: 1, at: start)
        owed.note(request(2), unit: 1, at: start + .seconds(8))
        #expect(probe(before: request(1), after: 11) == nil)
        #expect(probe(before: request(2), after: 11)?.count == 1)
    }
}
