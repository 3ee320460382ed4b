// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Events

@Suite struct ValueColumnTests {
    private func bytes(_ values: [Value]) -> [UInt8] {
        var out = ByteWriter()
        var words = Numbered<String>()
        ValueColumn(values.map { ValueColumn.Cell(value: $0, quality: .good, reason: .none, offset: 0) })
            .write(to: &out, words: &words)
        return out.bytes
    }

    @Test func wholeNumbersAreTheirDifferences() {
        #expect(bytes([.integer(5), .integer(3), .integer(3)]) == [1, 10, 3, 0, 0])
    }

    @Test func decimalsHaveTheFewestPlacesThatAreExact() {
        #expect(bytes([.number(0.5), .number(0.25)]) == [2, 2, 100, 49, 0])
        #expect(bytes([.single(230.1), .single(230)]) == [2, 1, 250, 35, 1, 0])
    }

    @Test func aNumberOfSinglePrecisionIsTheShortestDecimalAlsoBesideOthersWithMorePlaces() {
        // 230.1 and 0.000123: 230100000 and 123 millionths, not 230100006.
        #expect(bytes([.single(230.1), .single(0.000123)]).prefix(2) == [2, 6])
        var first = ByteWriter()
        first.zigzag(230_100_000)
        #expect(Array(bytes([.single(230.1), .single(0.000123)]).dropFirst(2).prefix(first.count)) == first.bytes)
    }

    @Test(arguments: [Value.number(1.0 / 3), .number(1e300), .number(-0.0), .number(.leastNonzeroMagnitude)])
    func whatIsNoShortDecimalIsToldByItsBytes(value: Value) {
        #expect(bytes([value, .number(0.5)]).first == 3)
    }

    @Test func whatIsOfSeveralTypesIsToldInWords() {
        #expect(bytes([.integer(1), .number(0.5)]).first == 4)
        #expect(bytes([.number(0.5), .boolean(true)]).first == 4)
        #expect(bytes([.single(1e-30)]).first == 4)
        #expect(bytes([.none]) == [0, 1, 0, 0, 0, 0])
    }

    @Test func theLargestNumbersWrapAround() {
        #expect(bytes([.integer(.max), .integer(.min)]).first == 1)
    }
}
