// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@Suite("Values")
struct ValueTests {
    @Test(
        "the distance of two whole numbers is exact, also where they need different cases",
        arguments: [
            (Value(wholeNumber: "9223372036854775807"), Value(wholeNumber: "9223372036854775808"), 1.0),
            (Value(wholeNumber: "18446744073709551615"), Value(wholeNumber: "18446744073709551614"), 1),
            (Value(wholeNumber: "-9223372036854775808"), Value(wholeNumber: "9223372036854775807"), 0x1p64),
            (Value(wholeNumber: "-1"), Value(wholeNumber: "9223372036854775808"), 0x1p63),
            (Value(wholeNumber: "9007199254740993"), Value(wholeNumber: "9007199254740992"), 1),
            (.integer(3), .number(2.5), 0.5),
        ])
    func distance(one: Value?, other: Value?, distance: Double) throws {
        let (one, other) = (try #require(one), try #require(other))
        #expect(one.distance(to: other) == distance && other.distance(to: one) == distance)
    }
}
