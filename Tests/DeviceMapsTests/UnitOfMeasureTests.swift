// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DeviceMaps

@Suite("Unit of measure")
struct UnitOfMeasureTests {
    private func convert(_ number: Double, _ unit: String, _ other: String) -> Double? {
        guard let from = UnitOfMeasure(unit), let to = UnitOfMeasure(other), let told = from.conversion(to: to) else {
            return nil
        }
        return Scaling(scale: told.scale, offset: told.offset).scaled(number)
    }

    // NIST Special Publication 811 (2008), B.8, to its digits.
    @Test(
        "numbers are told in other units of the same kind",
        arguments: [
            (37, "Cel", "[degF]", 98.6), (-40, "[degF]", "Cel", -40), (0, "Cel", "K", 273.15),
            (212, "[degF]", "K", 373.15),
            (1, "[psi]", "Pa", 6_894.757), (1, "bar", "[psi]", 14.50377), (1, "[HP]", "W", 745.6999),
            (1, "[gal_us]", "l", 3.785412), (1, "kW.h", "MJ", 3.6), (1, "mm[Hg]", "Pa", 133.322), (60, "/min", "Hz", 1),
            (1, "[lb_av]", "kg", 0.45359237), (5, "km/h", "m/s", 1.388_888_9), (1, "atm", "kPa", 101.325),
            (1, "[in_i]", "mm", 25.4), (1, "d", "s", 86_400), (180, "deg", "rad", 3.141_592_653_589_793),
            (5, "%", "[ppm]", 50_000), (2, "KiBy", "bit", 16_384), (1, "10*3/ul", "/l", 1e9),
            (3, "kvar.h", "V.A.s", 10_800_000),
            (1, "m3/h", "l/min", 16.666_667), (4, "(m/s)/s", "m.s-2", 4), (5, "Cel/min", "K/h", 300),
            (1, "Oe", "A/m", 79.577_472), (1, "/m.s", "s/m", 1), (1, "/(m.s)", "m-1.s-1", 1),
        ] as [(Double, String, String, Double)])
    func conversions(number: Double, from: String, to: String, expected: Double) throws {
        let told = try #require(convert(number, from, to))
        #expect(abs(told - expected) <= abs(expected) * 1e-6)
        let back = try #require(convert(told, to, from))
        #expect(abs(back - number) <= max(abs(number), 1) * 1e-9)
    }

    @Test("degrees of a fever have no more decimals than they need")
    func decimals() {
        #expect(convert(37, "Cel", "[degF]") == 98.6)
        #expect(convert(38.5, "Cel", "[degF]") == 101.3)
        #expect(convert(230.1, "V", "mV") == 230_100)
        #expect(convert(7, "mA", "A") == 0.007)
    }

    @Test(
        "what is of different kinds cannot be compared",
        arguments: [
            ("bar", "m"), ("V", "A"), ("mmol/l", "mg/dl"), ("[iU]/l", "mol/l"), ("[pH]", "1"), ("dB[mW]", "mW"),
            ("mol", "%"), ("Hz", "m/s"), ("rad", "1"), ("dB[V]", "dB[W]"), ("[IU]", "[iU]"), ("g", "N"),
        ])
    func kinds(one: String, other: String) {
        #expect(convert(1, one, other) == nil)
        #expect(convert(1, other, one) == nil)
    }

    @Test("every unit that is known is one, and what it is made of is known")
    func all() {
        let symbols = UCUM.base + UCUM.metric.keys + UCUM.plain.keys + UCUM.ownMetric + UCUM.ownPlain
        for symbol in symbols { #expect(UnitOfMeasure(symbol) != nil, "\(symbol)") }
        #expect(symbols.count > 300)
        for (prefix, factor) in UCUM.prefixes {
            #expect(convert(1, prefix + "bit", "bit") == factor)
        }
    }

    @Test("units are multiplied, divided and rooted")
    func arithmetic() throws {
        let volts = try #require(UnitOfMeasure("V"))
        let amperes = try #require(UnitOfMeasure("A"))
        #expect((volts * amperes).conversion(to: try #require(UnitOfMeasure("W")))?.scale == 1)
        #expect((volts * volts).squareRoot?.isCommensurable(with: volts) == true)
        #expect(try #require(UnitOfMeasure("l")).squareRoot == nil)
        #expect(
            try #require(UnitOfMeasure("Cel")).asDifference.conversion(
                to: try #require(UnitOfMeasure("[degF]")).asDifference)?.offset == 0)
    }

    @Test("endless exponents and brackets are no unit, and no trap")
    func bounded() {
        #expect(UnitOfMeasure("m999999999999999999999") == nil)
        #expect(UnitOfMeasure("Ym31.Ym31.Ym31") == nil)
        #expect(UnitOfMeasure(String(repeating: "(", count: 60) + "m") == nil)
    }
}
