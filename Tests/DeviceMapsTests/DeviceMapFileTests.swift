// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Foundation
import Testing
import YAMLText

/// A case is a folder in `Cases/`: a `map.yaml` and the problems it should be found to have, a line each as
/// `line: part of the message`, or `ok`. Adding one needs no Swift.
@Suite("Device map file")
struct DeviceMapFileTests {
    static let cases: [String] = TextFile.names(in: folder)
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Cases").path()
    static let devices = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Devices").standardized.path()

    @Test("finds every mistake, with its code and place", arguments: cases)
    func findsMistakes(name: String) throws {
        let text = try TextFile.read("\(Self.folder)/\(name)/map.yaml")
        let expected = try TextFile.read("\(Self.folder)/\(name)/problems.txt")
            .split(separator: "\n").map(String.init).filter { $0 != "ok" }
        let problems = Problems()
        let map = DeviceMapFile.read(text, name: name, file: "map.yaml", problems: problems)
        var found = problems.sorted.map { "\($0.line):\($0.column) \($0.code)" }
        found += (map.map(ExampleProof.failures) ?? []).map { "\($0.line):1 \(Code.exampleFails)" }
        #expect(found == expected, "\(problems.sorted)")
    }

    @Test("every map in Devices/ proves its examples", arguments: TextFile.names(in: devices))
    func proves(file: String) throws {
        let problems = Problems()
        let text = try TextFile.read("\(Self.devices)/\(file)")
        let map = DeviceMapFile.read(text, name: String(file.dropLast(5)), file: file, problems: problems)
        #expect(problems.sorted.map(\.description) == [])
        #expect(ExampleProof.failures(of: try #require(map)).map(\.description) == [])
        #expect(map?.examples.isEmpty == false)
        // What is only computed proves the map's arithmetic, not the map.
        #expect(map?.examples.allSatisfy { $0.source != nil } == true, "an example does not say where it is from")
    }
}
