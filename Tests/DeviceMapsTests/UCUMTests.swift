// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DeviceMaps

@Suite("Units")
struct UCUMTests {
    @Test(
        "units of the specification and of the field",
        arguments: [
            "V", "kW.h", "Cel", "[degF]", "%", "mm[Hg]", "m[H2O]{35Nm}", "10*3/ul", "10*-6", "[in_i'H2O]", "kg.m/s2",
            "/min",
            "{rpm}", "1/min", "m-2", "m+3", "(m/s).kg", "B[10.nV]", "dB[SPL]", "ug/m3", "[ppm]", "g%", "mmol/l",
            "[iU]/ml",
            "m[Hg]", "kvar.h", "dB[mW]", "''", "KiBy", "[m/s2/Hz^0.5]", "l/min", "/(10.min)", "%{RH}", "Mm", "dar",
        ])
    func units(text: String) {
        #expect(UCUM.isUnit(text))
    }

    @Test(
        "what is none",
        arguments: [
            "kWh", "degC", "°C", "m/", "{a", "a}", "2m", "m²", "", "m//s", ".m", "(m", "m)", "kmin", "V A", "k", "m2-",
            "[abc]",
            "m..s", "{a{b}}", "Ki", "hh", "ft", "pH", "mph",
        ])
    func others(text: String) {
        #expect(!UCUM.isUnit(text))
    }

    @Test(
        "what people mean",
        arguments: [
            ("kWh", "kW.h"), ("°C", "Cel"), ("m³/h", "m3/h"), ("µg/m³", "ug/m3"), ("rpm", "/min"), ("mmHg", "mm[Hg]"),
            ("VA", "V.A"), ("N·m", "N.m"), ("m/s²", "m/s2"), ("kΩ", "kOhm"),
        ])
    func meant(text: String, unit: String) {
        #expect(UCUM.meant(by: text) == unit)
        #expect(UCUM.isUnit(unit))
    }

    @Test("every suggestion is a unit, and no unit stands twice")
    func tables() {
        for unit in UCUM.others.values { #expect(UCUM.isUnit(unit), "\(unit)") }
        #expect(Set(UCUM.metric.keys).isDisjoint(with: UCUM.plain.keys))
        #expect(UCUM.ownMetric.isDisjoint(with: UCUM.ownPlain))
    }
}
