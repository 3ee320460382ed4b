// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Foundation
import Testing
import YAMLText

@testable import Agent

/// A case is a folder in `Cases/`: a `headgate.yaml` and the problems it should be found to have, a line each as
/// `line: part of the message`, or `ok`.
@Suite("Configuration")
struct ConfigurationTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Cases").path()
    static let cases = TextFile.names(in: folder)
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

    @Test("finds every mistake, with its code and place", arguments: cases)
    func findsMistakes(name: String) throws {
        let path = "\(Self.folder)/\(name)/headgate.yaml"
        let expected = try TextFile.read("\(Self.folder)/\(name)/problems.txt")
            .split(separator: "\n").map(String.init).filter { $0 != "ok" }
        let problems = Problems()
        _ = ConfigurationFile.read(path, problems: problems)
        let found = problems.sorted.map { "\($0.line):\($0.column) \($0.code)" }
        #expect(found == expected, "\(problems.sorted)")
    }

    @Test("the configurations in Config/ are right", arguments: ["minimal.yaml", "full.yaml"])
    func shipped(name: String) {
        let problems = Problems()
        let configuration = ConfigurationFile.read(
            Self.repository.appending(path: "Config/\(name)").path(), problems: problems)
        #expect(problems.sorted.map(\.description) == [])
        #expect(configuration != nil)
    }

    @Test("paths are from the folder of the file")
    func paths() throws {
        let problems = Problems()
        let configuration = ConfigurationFile.read(
            "gateway: g\nstate: state\nmaps: maps\noutputs: { f: { file: out.jsonl } }", path: "/etc/x/h.yaml",
            problems: problems)
        #expect(configuration?.state == "/etc/x/state")
        guard case .file(let path, _, _, _) = configuration?.outputs.first?.way else {
            Issue.record("no file output")
            return
        }
        #expect(path == "/etc/x/out.jsonl")
    }

    @Test("more links than one process can watch are refused, before any is opened", arguments: [200, 201])
    func links(count: Int) {
        let problems = Problems()
        let links = (1...count).map { "l\($0): { tcp: 127.0.0.1 }" }.joined(separator: ", ")
        _ = ConfigurationFile.read(
            "gateway: g\nstate: s\nmaps: maps\nlinks: { \(links) }\noutputs: { f: { file: out.jsonl } }",
            path: "/etc/x/h.yaml", problems: problems)
        #expect(problems.sorted.contains { $0.code == .tooManyLinks } == (count > 200))
    }

    @Test("a unit that two devices read with one map is a mistake of one of them")
    func units() {
        let problems = Problems()
        let meter = "{ map: eastron-sdm120, link: a, unit: 1 }"
        _ = ConfigurationFile.read(
            "gateway: g\nstate: s\nmaps: \(Self.repository.appending(path: "Devices").path())\n"
                + "links: { a: { tcp: 127.0.0.1 } }\ndevices: { one: \(meter), two: \(meter) }\n"
                + "outputs: { f: { file: out.jsonl } }",
            path: "/etc/x/h.yaml", problems: problems)
        #expect(problems.sorted.count { $0.code == .deviceReadTwice } == 1)
    }

    @Test("a password everyone can read is refused, and so is one that is not there")
    func secrets() throws {
        let path = NSTemporaryDirectory() + "headgate-secret-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "s3cret\n".write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(throws: StartError.self) { try Secret.file(path).reveal() }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(try Secret.file(path).reveal() == "s3cret")
        #expect(throws: StartError.self) { try Secret.file(path + "x").reveal() }
        #expect(throws: StartError.self) { try Secret.environment("HEADGATE_NOT_SET").reveal() }
    }

    @Test(
        "addresses with names, numbers and brackets",
        arguments: [
            ("10.0.0.1:502", "10.0.0.1", UInt16(502)), ("host", "host", 1_883), ("[::1]:99", "::1", 99),
            ("[fe80::1]", "fe80::1", 1_883),
        ])
    func endpoints(text: String, host: String, port: UInt16) {
        let found = EndpointText.parse(text, defaultPort: 1_883)
        #expect(found?.host == host && found?.port == port)
    }

    @Test(
        "what is no address", arguments: ["", ":502", "host:", "host:0", "host:99999", "user@host:1", "a b:1", "a/b"])
    func noEndpoints(text: String) {
        #expect(EndpointText.parse(text, defaultPort: 1) == nil)
    }
}
