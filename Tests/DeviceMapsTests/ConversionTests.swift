// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Testing

@Suite("Conversion")
struct ConversionTests {
    private func apply(_ conversion: Conversion, _ value: Value) -> (Reading, Batch) {
        var batch = Batch()
        var reading = Reading(series: SeriesNumber(raw: 0), time: Timestamp(microseconds: 0), value: value)
        conversion.apply(to: &reading, texts: &batch)
        return (reading, batch)
    }

    @Test(
        "scales decimals without a trace of binary fractions",
        arguments: [
            ("0.1", "0", Int64(3), 0.3), ("0.1", "-40", 231, -16.9), ("0.001", "0", 16_001, 16.001),
            ("2.5", "0", 3, 7.5), ("-0.1", "0", 7, -0.7), ("1", "-273.15", 300, 26.85), ("0.01", "0", 1_999, 19.99),
        ])
    func scales(scale: String, offset: String, raw: Int64, value: Double) throws {
        let conversion = Conversion(scale: try #require(Decimal(scale)), offset: try #require(Decimal(offset)))
        #expect(apply(conversion, .integer(raw)).0.value == .number(value))
        #expect(abs(conversion.raw(of: value) - Double(raw)) < 1e-9)
    }

    @Test("leaves whole numbers whole where nothing is to be done")
    func untouched() {
        #expect(apply(Conversion(), .integer(9_007_199_254_740_993)).0.value == .integer(9_007_199_254_740_993))
    }

    @Test("gives labels to raw numbers, and doubts those it has none for")
    func labels() {
        var conversion = Conversion()
        conversion.labels = [0: "stopped", 1: "running"]
        let (known, batch) = apply(conversion, .integer(1))
        guard case .text(let index) = known.value else {
            Issue.record("no label")
            return
        }
        #expect(batch.text(at: index) == "running")
        let (unknown, _) = apply(conversion, .integer(7))
        #expect(unknown.value == .integer(7) && unknown.quality == .uncertain && unknown.reason == .unknownLabel)
        #expect(apply(conversion, .boolean(true)).0.quality == .good)
    }

    @Test("a text that is to be scaled is bad")
    func textScaled() throws {
        let conversion = Conversion(scale: try #require(Decimal("0.1")), offset: .zero)
        #expect(apply(conversion, .boolean(true)).0.reason == .wrongType)
    }

    @Test("does not touch a reading that is not good")
    func notGood() {
        var conversion = Conversion()
        conversion.labels = [0: "stopped"]
        var batch = Batch()
        var reading = Reading.bad(SeriesNumber(raw: 0), time: Timestamp(microseconds: 0), .timeout)
        conversion.apply(to: &reading, texts: &batch)
        #expect(reading.reason == .timeout)
    }

    @Test("texts stand for values, and some for none")
    func values() {
        var conversion = Conversion()
        conversion.values = ["ON": .boolean(true)]
        conversion.absentTexts = ["unavailable"]
        var batch = Batch()
        func apply(_ text: String) -> Reading {
            var reading = Reading(
                series: SeriesNumber(raw: 0), time: Timestamp(microseconds: 0), value: batch.text(text))
            conversion.apply(to: &reading, texts: &batch)
            return reading
        }
        #expect(apply("ON").value == .boolean(true))
        #expect(apply("unavailable").quality == .absent)
        #expect(apply("maybe").quality == .uncertain)
    }
}
