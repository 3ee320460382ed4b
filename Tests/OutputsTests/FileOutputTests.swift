// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Outputs
import Testing

@Suite("File output")
final class FileOutputTests {
    private let folder = NSTemporaryDirectory() + "headgate-file-" + UUID().uuidString
    private var path: String { folder + "/events.jsonl" }

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func window(_ count: Int) throws -> Outgoing {
        let catalog = Catalog()
        let device = catalog.number(of: Device(id: "d", map: "m", mapVersion: 1, tags: []))
        let topic = try #require(TopicTemplate(""))
        var renderer = Renderer(.json, hasAttributes: false, topic: topic, gateway: "g", catalog: catalog)
        var out = Outgoing()
        for sequence in 1...count {
            var batch = Batch()
            let time = Timestamp(microseconds: 0)
            batch.append(StatusChange(state: .online, since: time, reason: .none), device: device, time: time)
            try renderer.add(
                batch.events[0], of: batch, id: EventID(epoch: 1, lane: .normal, sequence: UInt64(sequence)),
                isReplayed: false, to: &out)
        }
        return out
    }

    private func lines(_ path: String) throws -> [Substring] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    }

    @Test("appends a line an event, over restarts")
    func appends() async throws {
        for _ in 0..<2 {
            let output = FileOutput(path: path, rotateSize: 1 << 20, keep: 3, name: "t")
            #expect(await output.send(try window(3)).settled == 3)
            await output.close()
        }
        let lines = try lines(path)
        #expect(lines.count == 6)
        for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }

    @Test("a file that somebody moved or deleted is begun anew")
    func moved() async throws {
        let output = FileOutput(path: path, rotateSize: 1 << 20, keep: 3, name: "t")
        _ = await output.send(try window(1))
        try FileManager.default.moveItem(atPath: path, toPath: path + ".moved")
        #expect(await output.send(try window(2)).settled == 2)
        try FileManager.default.removeItem(atPath: path)
        #expect(await output.send(try window(3)).settled == 3)
        #expect(try lines(path + ".moved").count == 1)
        #expect(try lines(path).count == 3)
        try Data().write(to: URL(fileURLWithPath: path))
        #expect(await output.send(try window(2)).settled == 2)
        #expect(try lines(path).allSatisfy { $0.hasPrefix("{") })
    }

    @Test("a file that another writes is refused, not mixed up")
    func locked() async throws {
        let first = FileOutput(path: path, rotateSize: 1 << 20, keep: 3, name: "t")
        _ = await first.send(try window(1))
        let second = FileOutput(path: path, rotateSize: 1 << 20, keep: 3, name: "u")
        let outcome = await second.send(try window(1))
        #expect(outcome.settled == 0 && outcome.failure?.description.contains("another process") ?? false)
        await first.close()
        #expect(await second.send(try window(1)).settled == 1)
    }

    @Test("a line torn by a power cut goes, its event comes again")
    func torn() async throws {
        try "{\"whole\":1}\n{\"torn\":".write(toFile: path, atomically: false, encoding: .utf8)
        let output = FileOutput(path: path, rotateSize: 1 << 20, keep: 3, name: "t")
        _ = await output.send(try window(1))
        let lines = try lines(path)
        #expect(lines.count == 2)
        #expect(lines[0] == "{\"whole\":1}")
    }

    @Test("begins a new file at its size, and keeps as many as it is told")
    func rotates() async throws {
        let output = FileOutput(path: path, rotateSize: 1_000, keep: 2, name: "t")
        for _ in 0..<12 { #expect(await output.send(try window(2)).failure == nil) }
        #expect(FileManager.default.fileExists(atPath: path + ".1"))
        #expect(FileManager.default.fileExists(atPath: path + ".2"))
        #expect(!FileManager.default.fileExists(atPath: path + ".3"))
        for name in [path, path + ".1", path + ".2"] {
            for line in try lines(name) { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
        }
    }

    @Test("a folder that is not there is a failure to be tried again, not a loss")
    func missingFolder() async throws {
        let output = FileOutput(path: path + "/no/such/file", rotateSize: 1_000, keep: 2, name: "t")
        let outcome = await output.send(try window(2))
        #expect(outcome.settled == 0)
        #expect(outcome.failure?.description.contains("No such file") == true)
    }
}
