// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Testing
import YAMLText

@Suite("Writable points")
struct WritableTests {
    /// A map with one point `p`.
    private func point(_ keys: String) throws -> Point {
        let text = """
            map: one
            version: 1
            title: t
            source: s
            modbus: { defaults: { table: holding, type: int16 } }
            points: { p: { address: 10, \(keys) } }
            examples: [{ registers: {}, expect: {} }]
            """
        let problems = Problems()
        let map = DeviceMapFile.read(text, name: "one", file: "one.yaml", problems: problems)
        try #require(problems.isEmpty, "\(problems.sorted)")
        return try #require(map?.points.first)
    }

    @Test(
        "what is asked for becomes the registers that are read back as it",
        arguments: [
            ("writable: { range: [-40, 100] }, scale: 0.1", "45.5", [455]),
            ("writable: { range: [-40, 100] }, scale: 0.1, offset: -40", "-39.9", [1]),
            ("writable: { range: [-40, 100] }, scale: 0.1", "-0.1", [0xFFFF]),
            ("writable: { range: [0, 500] }, type: float32, order: CDAB", "230.5", [0x8000, 0x4366]),
            ("writable: { range: [0, 4e9] }, type: uint32, order: DCBA", "16909060", [0x0403, 0x0201]),
            ("writable: { range: [0, 9999] }, type: bcd16", "1234", [0x1234]),
            ("writable: {}, type: uint16, labels: { 0: off, 2: automatic }", "automatic", [2]),
            ("writable: {}, type: uint16, labels: { 0: off, 2: automatic }", "2", [2]),
            ("writable: {}, type: uint16, bit: 3", "true", [8]),
            ("writable: { range: [0, 15] }, type: uint16, bits: [4, 7]", "10", [0xA0]),
            ("writable: {}, table: coil, type: bool", "1", [1]),
        ] as [(String, String, [UInt16])])
    func encodes(keys: String, value: String, words: [UInt16]) throws {
        let point = try point(keys)
        let encoded = try point.encode(AskedValue(argument: value))
        #expect(encoded.words == words)
        #expect(point.holds(encoded, words))
    }

    @Test(
        "what the point cannot be, to the last digit, is refused",
        arguments: [
            ("scale: 0.1", "5", "not_writable"),
            ("writable: { range: [0, 60] }, scale: 0.1", "60.1", "out_of_range"),
            ("writable: { range: [0, 60] }, scale: 0.1", "45.55", "not_representable"),
            ("writable: { range: [0, 60] }", "true", "wrong_type"),
            ("writable: { range: [0, 60] }", "warm", "wrong_type"),
            ("writable: { range: [0, 60] }", "nan", "wrong_type"),
            ("writable: { range: [0, 60] }", "inf", "wrong_type"),
            ("writable: { range: [0, 60] }, absent: [7]", "7", "out_of_range"),
            ("writable: {}, type: uint16, labels: { 0: off, 2: on }", "1", "unknown_label"),
            ("writable: {}, type: uint16, labels: { 0: off, 2: on }", "auto", "unknown_label"),
            ("writable: {}, type: uint16, labels: { 0: \"1\", 1: \"2\" }", "1", "ambiguous"),
            ("writable: { range: [0, 4e9] }, type: uint32", "600000000.5", "not_representable"),
            ("writable: {}, table: coil, type: bool", "2", "wrong_type"),
            ("writable: { range: [0, 15] }, type: uint16, bits: [4, 7]", "16", "out_of_range"),
            ("writable: { range: [0, 9223372036854775807] }, type: int64", "9223372036854775808", "out_of_range"),
            ("writable: { range: [0, 18446744073709551615] }, type: uint64", "18446744073709551616", "out_of_range"),
            ("writable: { range: [0, 9007199254740992] }, type: int64", "9007199254740993", "out_of_range"),
            ("writable: { range: [0, 9007199254740992] }, type: int64", "9007199254740993.0", "out_of_range"),
        ])
    func refuses(keys: String, value: String, reason: String) throws {
        let point = try point(keys)
        let refusal = #expect(throws: WriteRefusal.self) { try point.encode(AskedValue(argument: value)) }
        #expect(refusal?.reason == reason)
    }

    @Test("a field leaves the other bits of its register alone")
    func field() throws {
        let point = try point("writable: { range: [0, 15] }, type: uint16, bits: [4, 7]")
        let encoded = try point.encode(.number(5))
        #expect(!encoded.isWhole)
        #expect(encoded.merged(into: [0xF3C9]) == [0xF359])
        #expect(point.holds(encoded, [0x0050]) && !point.holds(encoded, [0x0040]))
    }

    @Test("a float may be kept less finely than it was sent, and no other value")
    func floats() throws {
        let point = try point("writable: { range: [0, 500] }, type: float32")
        let encoded = try point.encode(.number(230.1))
        #expect(point.holds(encoded, [encoded.words[0], encoded.words[1] ^ 1]))
        #expect(!point.holds(encoded, [0x4366, 0x8000]))
        #expect(!point.holds(encoded, [0x7FC0, 0]))
        #expect(!point.holds(encoded, []))
    }
}
