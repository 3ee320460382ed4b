// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Testing

@testable import Agent

@Suite("Ids of commands")
final class CommandIDsTests {
    private let folder = NSTemporaryDirectory() + "headgate-ids-" + UUID().uuidString
    private var path: String { folder + "/commands.ids" }
    private let now = Timestamp(microseconds: 1_800_000_000_000_000)
    private static let hour: Int64 = 3_600_000_000

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func later(_ microseconds: Int64) -> Timestamp { now.advanced(byMicroseconds: microseconds) }

    private func open(at moment: Timestamp? = nil, most: Int = CommandIDs.usualMost) -> CommandIDs {
        CommandIDs(path: path, longest: Self.hour, most: most, at: moment ?? now) { path, _ in
            rename(path, path + ".aside")
        }
    }

    @Test("an id is a duplicate until its deadline, whatever comes after it, and after a restart")
    func duplicates() throws {
        let ids = open()
        let deadline = later(Self.hour)
        try ids.keep("first", until: deadline, at: now)
        for number in 0..<1_100 { try ids.keep("c-\(number)", until: deadline, at: now) }
        #expect(ids.refusal(of: "first", until: deadline, at: now) == .duplicate)
        let again = open(at: later(Self.hour / 2))
        #expect(again.refusal(of: "first", until: deadline, at: now) == .duplicate)
        #expect(again.refusal(of: "c-1099", until: deadline, at: now) == .duplicate)
        #expect(again.refusal(of: "another", until: deadline, at: now) == nil)
    }

    @Test("with every place taken by a deadline that is ahead the next is refused; one that has passed makes room")
    func room() throws {
        let most = 20
        let ids = open(most: most)
        try ids.keep("soon", until: later(1), at: now)
        for number in 1..<most { try ids.keep("c-\(number)", until: later(Self.hour), at: now) }
        #expect(throws: CommandIDs.Refusal.tooMany) { try ids.keep("next", until: later(Self.hour), at: now) }
        #expect(ids.refusal(of: "next", until: later(Self.hour), at: now) == nil)
        try ids.keep("next", until: later(Self.hour), at: later(1))
        #expect(ids.refusal(of: "c-1", until: later(Self.hour), at: now) == .duplicate)
        // The file does not grow without end, either.
        for number in 0..<(3 * most) {
            let moment = later(2 * Self.hour + Int64(number))
            try ids.keep("d-\(number)", until: moment.advanced(byMicroseconds: 1), at: moment)
        }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count <= 2 * most + 1)
    }

    @Test("a line that a power cut has torn spoils none after it")
    func tornLine() throws {
        try open().keep("first", until: later(Self.hour), at: now)
        let handle = try #require(FileHandle(forWritingAtPath: path))
        handle.seekToEndOfFile()
        handle.write(Data("18000000".utf8))
        try handle.close()
        try open().keep("second", until: later(Self.hour), at: now)
        let ids = open()
        #expect(ids.refusal(of: "first", until: later(Self.hour), at: now) == .duplicate)
        #expect(ids.refusal(of: "second", until: later(Self.hour), at: now) == .duplicate)
    }

    @Test(
        "of a file that is damaged, commands are refused that may have been in it, also after a restart",
        arguments: [
            "headgate command ids 2\nx y\n", "headgate command ids 2\n17\n", "\u{0}\u{FFFD}", "",
            "headgate commamd ids 2\n1800000000000001 c\n",
        ])
    func damage(text: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        if text.hasPrefix("\u{0}") { try Data([0xC3, 0x28]).write(to: URL(filePath: path)) }
        let ids = open()
        #expect(FileManager.default.fileExists(atPath: path + ".aside"))
        #expect(ids.refusal(of: "c", until: later(Self.hour), at: now) == .lost)
        #expect(ids.refusal(of: "c", until: later(Self.hour + 1), at: now) == nil)
        try ids.keep("c", until: later(Self.hour + 1), at: now)
        let again = open(at: later(10))
        #expect(again.refusal(of: "d", until: later(Self.hour), at: now) == .lost)
        #expect(again.refusal(of: "c", until: later(Self.hour + 1), at: now) == .duplicate)
    }

    @Test("the ids of an earlier release are kept for as long as a deadline may be ahead")
    func earlierRelease() throws {
        try "c-1\nc 2\n".write(toFile: path, atomically: true, encoding: .utf8)
        let ids = open()
        #expect(ids.refusal(of: "c-1", until: later(5), at: now) == .duplicate)
        #expect(ids.refusal(of: "c 2", until: later(5), at: now) == .duplicate)
        try ids.keep("c-3", until: later(5), at: now)
        let again = open(at: later(3))
        for id in ["c-1", "c 2", "c-3"] { #expect(again.refusal(of: id, until: later(5), at: now) == .duplicate) }
    }

    @Test("an id that the disk does not take is refused, and is no duplicate")
    func disk() throws {
        let ids = CommandIDs(path: "/proc/nowhere/ids", longest: Self.hour, at: now) { _, _ in }
        #expect(throws: CommandIDs.Refusal.diskFailed) { try ids.keep("c", until: later(5), at: now) }
        #expect(ids.refusal(of: "c", until: later(5), at: now) == nil)
    }

    @Test("a file that was damaged while the clock was not set protects until it is set, and for as long from then on")
    func unsetClock() throws {
        try "".write(toFile: path, atomically: true, encoding: .utf8)
        let ids = open(at: Timestamp(microseconds: 5))
        #expect(ids.refusal(of: "c", until: later(Self.hour), at: now) == .lost)
        #expect(ids.refusal(of: "c", until: later(Self.hour + 1), at: now) == nil)
        #expect(open().refusal(of: "c", until: later(Self.hour), at: now) == .lost)
    }

    @Test(
        "an id may begin and end with what belongs to the character before it",
        arguments: ["\u{301}x", "\u{200D}", "x\u{301}"])
    func combining(id: String) throws {
        try open().keep(id, until: later(5), at: now)
        try open().keep("another", until: later(5), at: now)
        #expect(open().refusal(of: id, until: later(5), at: now) == .duplicate)
        #expect(open().refusal(of: "another", until: later(5), at: now) == .duplicate)
    }

    @Test("an id of several lines is one")
    func lines() throws {
        try open().keep("a\nb", until: later(5), at: now)
        #expect(open().refusal(of: "a\nb", until: later(5), at: now) == .duplicate)
        #expect(open().refusal(of: "b", until: later(5), at: now) == nil)
    }
}
