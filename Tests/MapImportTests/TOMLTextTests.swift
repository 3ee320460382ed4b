// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MapImport

@Suite("TOML")
struct TOMLTextTests {
    @Test(
        "is read as the JSON that it means",
        arguments: [
            ("a = 1\nb = \"x\"  # c", #"{"a": 1,"b": "x"}"#),
            ("[t]\na.b = 0x10\n[t.c]\nd = 1_000", #"{"t": {"a": {"b": 16},"c": {"d": 1000}}}"#),
            ("[[l]]\na = 1\n[[l]]\na = 2\n[[l.m]]\nb = 3", #"{"l": [{"a": 1},{"a": 2,"m": [{"b": 3}]}]}"#),
            ("a = [ 1, 2.5,\n # c\n [\"x\"], ]", #"{"a": [1,2.5,["x"]]}"#),
            ("a = { b = true, \"c d\" = 'e\\f' }", #"{"a": {"b": true,"c d": "e\\f"}}"#),
            ("a = \"\"\"\nx\\\n   y\"\"\"\nb = '''z'''", #"{"a": "xy","b": "z"}"#),
            (#"a = "\u00e9\t\"""#, #"{"a": "é\t\""}"#),
            ("a = 1979-05-27T07:32:00Z\nb = inf", #"{"a": "1979-05-27T07:32:00Z","b": "inf"}"#), ("", "{}"),
        ])
    func reads(toml: String, json: String) throws {
        #expect(try TOMLText.json(of: toml) == json)
    }

    @Test(
        "is refused on its line where it is none",
        arguments: [
            ("a = [", 1), ("\n[[{}]]", 2), ("a = 1\na = 2", 2), ("a = 1 b = 2", 1), ("[a\nb = 1", 1), ("a", 1),
            ("a = x", 1),
            ("a = \"x\n\"", 2), ("a = 1\n[a]\n", 2),
            (String(repeating: "a = ", count: 1) + String(repeating: "[", count: 100), 1),
        ])
    func refuses(toml: String, line: Int) {
        let error = #expect(throws: TOMLText.Malformed.self) { try TOMLText.json(of: toml) }
        #expect(error?.line == line)
    }
}
