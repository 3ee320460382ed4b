// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Foundation
import MapImport
import Testing
import YAMLText

/// A case is a file of another gateway in `Cases/`, and in `Cases/maps/` what is made of it: the maps one after the other.
@Suite("Import of maps")
struct MapImportTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Cases").path()
    static let cases = TextFile.names(in: folder).filter { $0.contains(".") }

    @Test("carries over what can be, and says what cannot", arguments: cases)
    func carriesOver(name: String) throws {
        let maps = try ForeignFile.maps(of: TextFile.read("\(Self.folder)/\(name)"), name: name, format: nil)
        let texts = maps.map { MapText.text(of: $0).text }.joined(separator: "\n")
        let stem = name.split(separator: ".")[0]
        #expect(try texts == TextFile.read("\(Self.folder)/maps/\(stem).txt"))
    }

    @Test("what comes of it is a map with nothing wrong", arguments: cases)
    func isRight(name: String) throws {
        for map in try ForeignFile.maps(of: TextFile.read("\(Self.folder)/\(name)"), name: name, format: nil) {
            let (text, left) = MapText.text(of: map)
            let problems = Problems()
            let read = DeviceMapFile.read(text, name: left.name, file: left.name, problems: problems)
            #expect(problems.sorted.map(\.description) == [])
            #expect(read?.points.map(\.name) == left.points.map(\.name))
        }
    }

    @Test(
        "what is no configuration of another gateway is an error that says so",
        arguments: [
            ("a.json", #"{"a": 1}"#, "of which gateway"), ("a.conf", "a = [", "a.conf:1:"),
            ("a.json", "{", "not valid YAML"), ("a.conf", "[agent]\ninterval = \"1s\"", "no Modbus point"),
            ("a.yml", "deviceResources: 5", "no Modbus point"),
            ("a.json", #"{"master": {"slaves": 1}}"#, "no Modbus point"),
            ("a.json", #"{"id": 103, "group": {"name": "inverter"}}"#, "SunSpec model"),
            ("a.yml", "deviceList:\n- name: a\n  profileName: b", "list of devices"),
            ("a.txt", "[[inputs.modbus]]\nname = \"a\"", "--from telegraf"),
        ])
    func refuses(name: String, text: String, message: String) {
        let error = #expect(throws: ImportError.self) { try ForeignFile.maps(of: text, name: name, format: nil) }
        #expect(error?.description.contains(message) ?? false, "\(error?.description ?? "")")
    }

    @Test(
        "what cannot be is left out, whatever it is called and however large it is",
        arguments: [
            (
                "a.conf",
                "[[inputs.modbus]]\nconfiguration_type = \"metric\"\n[[inputs.modbus.metric]]\nfields = [{ name = \"writable\", address = 70000, type = \"INT16\" }]"
            ),
            (
                "a.conf",
                "[[inputs.modbus]]\nholding_registers = [{ name = \"a\", byte_order = \"AB\", data_type = \"INT16\", scale = 1.0, address = [9223372036854775807] }]"
            ),
            (
                "a.json",
                #"{"tags": [{"name": "a", "type": 13, "address": "1!40001.9223372036854775807H", "attribute": 1}]}"#
            ),
            (
                "a.json",
                #"{"master": {"slaves": [{"timeseries": [{"tag": "x${type}", "type": "${type}", "functionCode": 3, "address": "1-2"}]}]}}"#
            ),
        ])
    func leavesOut(name: String, text: String) throws {
        let maps = try ForeignFile.maps(of: text, name: name, format: nil).map { MapText.text(of: $0).map }
        #expect(maps.allSatisfy { $0.points.isEmpty && !$0.left.isEmpty })
    }

    @Test("values of any kind in any place are taken or left out, never a trap", arguments: cases)
    func survivesDamage(name: String) throws {
        let bytes = Array(try TextFile.read("\(Self.folder)/\(name)").utf8)
        let odd = ["-1", "99999999999999999999", "1e308", "null", "[]", "{}", "\"\"", "nan", "65535", "ABCD"]
        for place in stride(from: 0, to: bytes.count, by: 7) {
            let damage = odd[place / 7 % odd.count]
            let end = bytes[place...].firstIndex { ",}] \n".utf8.contains($0) } ?? bytes.count
            let text = String(decoding: bytes[..<place] + Array(damage.utf8) + bytes[end...], as: UTF8.self)
            for map in (try? ForeignFile.maps(of: text, name: name, format: nil)) ?? [] { _ = MapText.text(of: map) }
        }
    }
}
