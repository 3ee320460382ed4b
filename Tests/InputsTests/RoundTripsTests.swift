// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Inputs

@Suite("Measured round trips")
struct RoundTripsTests {
    private let usual = RequestCost(request: 2_000_000, byte: 80)

    private func trips(
        isLine: Bool = false, sizes: [Int] = [4, 40, 250], _ took: (_ size: Int, _ number: Int) -> Int64
    ) -> RoundTrips {
        var trips = RoundTrips(usual, isLine: isLine)
        for number in 0..<600 {
            let size = sizes[number % sizes.count]
            trips.note(bytes: size, nanoseconds: took(size, number))
        }
        return trips
    }

    @Test("the price of a request and of a byte are what they were")
    func measures() throws {
        let cost = try #require(
            trips { size, number in 15_000_000 + 1_041_000 * Int64(size) + Int64(number % 7) * 10_000 }.cost)
        #expect(abs(cost.request - 15_000_000) < 300_000)
        #expect(abs(cost.byte - 1_041_000) < 10_000)
    }

    @Test("requests of one size leave the price of a byte as it is known")
    func oneSize() {
        #expect(trips(sizes: [250]) { _, _ in 5_000_000 }.cost == RequestCost(request: 4_980_000, byte: 80))
    }

    @Test("of a line the speed tells the price of a byte, whatever is measured")
    func line() {
        #expect(trips(isLine: true) { _, _ in 5_000_000 }.cost?.byte == 80)
    }

    @Test("one that waited long does not make all of them dear")
    func outliers() throws {
        let cost = try #require(trips { size, number in number % 50 == 49 ? 900_000_000 : 3_000_000 }.cost)
        #expect(cost.request < 3_600_000)
    }

    @Test("few say nothing")
    func few() {
        var trips = RoundTrips(usual, isLine: false)
        for _ in 1..<RoundTrips.least { trips.note(bytes: 10, nanoseconds: 1) }
        #expect(trips.cost == nil)
    }

    @Test("a plan is made anew where a price has changed by more than a quarter")
    func differs() {
        #expect(!usual.differs(from: RequestCost(request: 2_400_000, byte: 80)))
        #expect(usual.differs(from: RequestCost(request: 2_800_000, byte: 80)))
        #expect(usual.differs(from: RequestCost(request: 2_000_000, byte: 200)))
    }
}
