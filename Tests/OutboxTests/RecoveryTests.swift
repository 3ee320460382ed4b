// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Logging
import SQLite
import TestSupport
import Testing

@testable import Outbox

/// Damage to the files of an outbox: it goes on at once, what can be saved is sent under its old names, and the rest is
/// told.
@Suite("Recovery", .serialized)
struct RecoveryTests {
    private let ward: Ward

    init() throws {
        ward = try Ward()
    }

    @Test(
        "whatever is damaged, it goes on, and what is missing is told",
        arguments: ["outbox.db", "outbox.db-wal", "epoch"], 0..<SeededGenerator.rounds(12))
    func damage(file: String, round: Int) async throws {
        try await ward.fill(leavingLog: file != "outbox.db" || round % 2 == 0)
        try ward.damage(file) { bytes in
            // Damage to the last commit in the log cannot be told from a power cut before it was done.
            let count = bytes.count - (file == "outbox.db-wal" ? 80_000 : 0)
            guard count > 0 else { return }
            let place = Int.random(in: 0..<count, using: &ward.random)
            switch round % 4 {
            case 0:
                let end = min(count, place + Int.random(in: 1...20_000, using: &ward.random))
                for place in place..<end { bytes[place] = UInt8.random(in: 0...255, using: &ward.random) }
            case 1:
                let page = place / 4_096 * 4_096
                for place in page..<min(count, page + 4_096) { bytes[place] = 0 }
            default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &ward.random)
            }
        }
        try await ward.checkRecovery()
    }

    @Test(
        "a damaged page of each kind costs what is on it and no more", arguments: 1...40, 0..<SeededGenerator.rounds(1))
    func flippedPages(page: Int, round: Int) async throws {
        try await ward.fill(leavingLog: false)
        var isThere = false
        try ward.damage("outbox.db") { bytes in
            let start = (page - 1) * 4_096
            isThere = start + 4_096 <= bytes.count
            // A page's header, its first bytes, has a test of its own.
            if isThere { bytes[start + Int.random(in: 24..<4_096, using: &ward.random)] ^= 0x55 }
        }
        try #require(isThere)
        // The three that follow the header and its map are the first of each lane's tree: without one, its lane is lost.
        try await ward.checkRecovery(mostMissing: (3...5).contains(page) ? ward.mostInLane : 3 * 8)
    }

    @Test("a row whose number is damaged costs itself and no more", arguments: 0..<60, [UInt8(0x55), 0x7F])
    func flippedNumbers(place: Int, flip: UInt8) async throws {
        try await ward.fill(leavingLog: false)
        var isThere = false
        try ward.damage("outbox.db") { bytes in
            // Leaves of tables (SQLite's file format, 1.6) that have one row each.
            let leaves = stride(from: 0, to: bytes.count - 4_095, by: 4_096).filter { start in
                bytes[start] == 13 && bytes[start + 3] == 0 && bytes[start + 4] == 1
            }
            guard leaves.indices.contains(place) else { return }
            isThere = true
            let start = leaves[place]
            var at = start + Int(bytes[start + 8]) << 8 + Int(bytes[start + 9])
            // Past the length of the row to the last byte of its number.
            while bytes[at] & 0x80 != 0 { at += 1 }
            at += 1
            while bytes[at] & 0x80 != 0 { at += 1 }
            bytes[at] ^= flip
        }
        guard isThere else { return }
        try await ward.checkRecovery(mostMissing: 3 * 8)
    }

    @Test(
        "a header or a list of tables that is damaged costs nothing",
        arguments: [0...99, 100...4_095], 0..<SeededGenerator.rounds(6))
    func firstPage(bytes: ClosedRange<Int>, round: Int) async throws {
        try await ward.fill(leavingLog: false)
        try ward.damage("outbox.db") { file in
            file[Int.random(in: bytes, using: &ward.random)] ^= UInt8.random(in: 1...255, using: &ward.random)
        }
        try await ward.checkRecovery(mostMissing: 0)
    }

    @Test(
        "a file that is cut, empty, gone or another's is put aside, and what is lost is told",
        arguments: ["cut", "empty", "gone", "text", "foreign", "other gateway"])
    func replacedFiles(how: String) async throws {
        try await ward.fill(leavingLog: false)
        let other = try Ward()
        if how == "other gateway" { try await other.fill(leavingLog: false) }
        try ward.damage("outbox.db") { bytes in
            switch how {
            case "cut": bytes.removeLast(bytes.count / 2)
            case "empty": bytes = []
            case "text": bytes = Array(String(repeating: "not a database\n", count: 5_000).utf8)
            default: break
            }
        }
        let path = ward.path("outbox.db")
        if how == "gone" || how == "other gateway" || how == "foreign" {
            try FileManager.default.removeItem(atPath: path)
        }
        if how == "other gateway" { try FileManager.default.copyItem(atPath: other.path("outbox.db"), toPath: path) }
        if how == "foreign" { try Connection(path: path).execute("CREATE TABLE mine(a); INSERT INTO mine VALUES(1)") }
        try await ward.checkRecovery()
        let aside = (try? FileManager.default.contentsOfDirectory(atPath: ward.path("quarantine"))) ?? []
        #expect(aside.isEmpty == (how == "gone" || how == "empty"), "\(how): \(aside)")
    }

    @Test(
        "a log that is gone, another's or from another day is noticed",
        arguments: ["gone", "empty", "other gateway", "after a clean stop"])
    func logs(how: String) async throws {
        let files = FileManager.default
        try await ward.fill(leavingLog: how != "after a clean stop")
        let other = try Ward()
        try await other.fill(leavingLog: true)
        let path = ward.path("outbox.db-wal")
        if how != "after a clean stop" { try files.removeItem(atPath: path) }
        if how == "empty" { #expect(files.createFile(atPath: path, contents: nil)) }
        if how == "other gateway" { try files.copyItem(atPath: other.path("outbox.db-wal"), toPath: path) }
        if how == "after a clean stop" {
            try? files.removeItem(atPath: path)
            try files.copyItem(atPath: other.path("outbox.db-wal"), toPath: path)
        }
        try await ward.checkRecovery()
        #expect(ward.causes.contains(.logLost) == (how != "after a clean stop"))
    }

    @Test("pages that lead elsewhere hide nothing without a word", arguments: 0..<SeededGenerator.rounds(12))
    func structure(round: Int) async throws {
        // Of all such bits one in about three hundred still hides a block that nobody misses: the same are tried each time.
        ward.random = SeededGenerator(fixed: UInt64(round + 1))
        try await ward.fill(leavingLog: false)
        try ward.damage("outbox.db") { bytes in
            // The header of a page, where its cells are, and what it goes on with (fileformat2.html, 1.6).
            let page = Int.random(in: 1..<bytes.count / 4_096, using: &ward.random)
            bytes[page * 4_096 + Int.random(in: 0..<24, using: &ward.random)] ^=
                1 << UInt8.random(in: 0..<8, using: &ward.random)
        }
        try await ward.checkRecovery()
    }

    @Test("what is put aside twice before it could be saved is all sent")
    func twice() async throws {
        for _ in 0..<2 {
            try await ward.fill(leavingLog: false)
            try ward.damage("outbox.db") { $0[17] ^= 0x40 }
            try await ward.crashWhileSalvaging()
        }
        try await ward.checkRecovery(mostMissing: 3 * 8)
    }

    @Test("a shared-memory file that somebody left does no harm")
    func sharedMemory() async throws {
        try await ward.fill(leavingLog: true)
        let garbage = Data(repeating: 7, count: 32_768)
        #expect(FileManager.default.createFile(atPath: ward.path("outbox.db-shm"), contents: garbage))
        try await ward.checkRecovery(mostMissing: 0)
    }

    @Test("a log damaged in its middle loses the page, not all that was committed after it")
    func damagedLog() async throws {
        try await ward.fill(leavingLog: true)
        try ward.damage("outbox.db-wal") { bytes in
            let frames = (bytes.count - 32) / 4_120
            // In the body of a page, near the beginning.
            let frame = Int.random(in: 2..<frames / 3, using: &ward.random)
            bytes[32 + frame * 4_120 + 24 + Int.random(in: 200..<4_096, using: &ward.random)] ^= 0x10
        }
        try await ward.checkRecovery(mostMissing: 3 * 8)
    }

    @Test("a file that is deleted under a running gateway loses nothing")
    func deletedWhileRunning() async throws {
        try await ward.fill(leavingLog: true, keepingOpen: true)
        try FileManager.default.removeItem(atPath: ward.path("outbox.db"))
        try FileManager.default.removeItem(atPath: ward.path("outbox.db-wal"))
        try await ward.checkRecovery(mostMissing: 0)
    }

    @Test("a folder that is deleted under a running gateway is made again, and nothing is lost")
    func deletedFolder() async throws {
        try await ward.fill(leavingLog: true, keepingOpen: true)
        try FileManager.default.removeItem(atPath: ward.path(""))
        try await ward.checkRecovery(mostMissing: 0)
    }

    @Test("pages that are overwritten under a running gateway cost what was on them")
    func damagedWhileRunning() async throws {
        try await ward.fill(leavingLog: false, keepingOpen: true)
        try await ward.checkpoint()
        try ward.damage("outbox.db") { bytes in
            for page in [4, 7, 9] where (page + 1) * 4_096 <= bytes.count {
                bytes.replaceSubrange(page * 4_096..<(page + 1) * 4_096, with: [UInt8](repeating: 0xA5, count: 4_096))
            }
        }
        try await ward.checkRecovery()
    }

    @Test("a salvage that is interrupted goes on at the next start")
    func interruptedSalvage() async throws {
        try await ward.fill(leavingLog: false)
        try ward.damage("outbox.db") { $0[17] ^= 0x40 }
        try await ward.crashWhileSalvaging()
        try await ward.checkRecovery(mostMissing: 3 * 8)
    }

    @Test("a database of version 1 is brought to this one, with everything in it")
    func migration() async throws {
        try await ward.fill(leavingLog: false)
        do {
            let connection = try Connection(path: ward.path("outbox.db"))
            for lane in 0..<3 { try connection.execute("ALTER TABLE block_\(lane) DROP COLUMN last") }
            for table in ["cursor", "device", "series"] {
                try connection.execute("ALTER TABLE \(table) DROP COLUMN crc")
            }
            try connection.execute(
                """
                ALTER TABLE dead DROP COLUMN key_id; DROP TABLE replay; DROP TABLE mark; DROP TABLE device_copy; DROP TABLE series_copy; DROP TABLE alarm; DROP TABLE window; DROP TABLE rule; DELETE FROM meta WHERE key='identity';
                PRAGMA user_version=1
                """)
            try connection.checkpoint(truncate: true)
        }
        for name in ["epoch", "outbox.db-wal"] { try? FileManager.default.removeItem(atPath: ward.path(name)) }
        try await ward.checkRecovery(mostMissing: 0)
        #expect(ward.causes.isEmpty)
    }

    @Test("a database of version 6 gets what held ranges need, and keeps everything")
    func migrationToHeldRanges() async throws {
        try await ward.fill(leavingLog: false)
        do {
            let connection = try Connection(path: ward.path("outbox.db"))
            for column in ["topic", "template", "events"] {
                try connection.execute("ALTER TABLE replay DROP COLUMN \(column)")
            }
            try connection.execute("PRAGMA user_version=6")
            try connection.checkpoint(truncate: true)
        }
        for name in ["epoch", "outbox.db-wal"] { try? FileManager.default.removeItem(atPath: ward.path(name)) }
        try await ward.checkRecovery(mostMissing: 0)
        #expect(ward.causes.isEmpty)
    }
}
