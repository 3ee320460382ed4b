// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Logging
import SQLite
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

    @Test("a damaged page of each kind costs what is on it and no more", arguments: 1...40)
    func flippedPages(page: Int) async throws {
        try await ward.fill(leavingLog: false)
        var isThere = false
        try ward.damage("outbox.db") { bytes in
            let start = (page - 1) * 4_096
            isThere = start + 4_096 <= bytes.count
            if isThere { bytes[start + Int.random(in: 0..<4_096, using: &ward.random)] ^= 0x55 }
        }
        try #require(isThere)
        try await ward.checkRecovery(mostMissing: 3 * 8)
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
                ALTER TABLE dead DROP COLUMN key_id; DROP TABLE replay; DELETE FROM meta WHERE key='identity';
                PRAGMA user_version=1
                """)
            try connection.checkpoint(truncate: true)
        }
        for name in ["epoch", "outbox.db-wal"] { try? FileManager.default.removeItem(atPath: ward.path(name)) }
        try await ward.checkRecovery(mostMissing: 0)
        #expect(ward.causes.isEmpty)
    }
}

/// An outbox, and what is known of it from outside.
private final class Ward {
    private struct Name: Hashable {
        var epoch: UInt64
        var lane: Lane
        var sequence: UInt64
    }

    var random = SeededGenerator()
    private(set) var causes: [Gap.Cause] = []
    private let folder: TemporaryFolder
    private let witness = Witness()
    private var committed: [Name: Int64] = [:]
    private var received: Set<Name> = []
    private var gaps: [Gap] = []
    private var lastNumber: Int64 = 0
    private var outbox: Outbox?
    private var seed: Comment { "HEADGATE_SEED=\(random.seed)" }

    init() throws {
        folder = try TemporaryFolder()
    }

    func path(_ name: String) -> String { folder.path + "/" + name }

    private func open() throws -> Outbox {
        var logger = Logger(label: "test")
        logger.logLevel = ProcessInfo.processInfo.environment["HEADGATE_LOG"] == nil ? .critical : .debug
        let outbox = try Outbox(
            OutboxSettings(folder: folder.path), outputs: [OutboxOutput(name: "one"), OutboxOutput(name: "two")],
            logger: logger
        ) { [witness] commit in witness.note(commit) }
        self.outbox = outbox
        return outbox
    }

    /// Leaves it as it is.
    private func crash() async {
        await released(&outbox)
    }

    private func close() async throws {
        let run = Task { [outbox] in await outbox?.run() }
        run.cancel()
        await run.value
        noteCommits()
        await crash()
    }

    /// Commits a few hundred events, of which one output has settled a part.
    /// - Parameter leavingLog: false ends with a clean stop, true with a crash.
    func fill(leavingLog: Bool, keepingOpen: Bool = false) async throws {
        try await begin()
        if keepingOpen { return }
        if leavingLog { await crash() } else { try await close() }
    }

    private func begin() async throws {
        let outbox = try open()
        for _ in 0..<60 { await commit(outbox) }
        try await receive(outbox, 0, most: 20)
        await outbox.flush()
    }

    func checkpoint() async throws {
        try await outbox?.checkpointForTests()
    }

    private func commit(_ outbox: Outbox) async {
        let device = outbox.catalog.number(of: Device(id: "meter", map: "m", mapVersion: 1, tags: []))
        let series = ["number", "noise"].map { name in
            outbox.catalog.number(of: Series(device: device, point: name, unit: "", lane: .normal))
        }
        var batch = Batch()
        for _ in 0..<8 {
            lastNumber += 1
            let time = Timestamp(microseconds: lastNumber)
            batch.readings.append(Reading(series: series[0], time: time, value: .integer(lastNumber)))
            let noise = (0..<40).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &random), radix: 36) }
            batch.readings.append(Reading(series: series[1], time: time, value: batch.text(noise.joined())))
            batch.closeTelemetry(device: device, time: time)
        }
        outbox.intake.offer(batch, Lane.allCases.randomElement(using: &random) ?? .normal)
        await outbox.flush()
        noteCommits()
    }

    private func noteCommits() {
        for commit in witness.take() {
            for (place, event) in commit.batch.events.enumerated() {
                guard let number = Self.number(event, commit.batch) else { continue }
                let name = Name(epoch: commit.epoch, lane: commit.lane, sequence: commit.first + UInt64(place))
                #expect(committed.updateValue(number, forKey: name) == nil, seed)
            }
        }
    }

    private static func number(_ event: Batch.Event, _ batch: Batch) -> Int64? {
        guard case .integer(let number)? = batch.readings[event.readings].first?.value else { return nil }
        return number
    }

    /// What an output has to send, at most so many portions; checks that each event is what was committed.
    private func receive(_ outbox: Outbox, _ output: Int, most: Int) async throws {
        let codec = BlockCodec()
        for _ in 0..<most {
            guard let portion = await outbox.next(for: output, bytes: 1, events: 1) else { return }
            let block = portion.blocks[0]
            guard let opened = try? codec.decode(block), outbox.catalog.contents.describes(opened.batch) else {
                await outbox.skip(output, portion.stream, block)
                continue
            }
            for (place, event) in opened.batch.events.enumerated().dropFirst(portion.done) {
                let name = Name(epoch: block.epoch, lane: block.lane, sequence: opened.sequence(at: place))
                if case .gap(let gap) = event.detail {
                    gaps.append(gap)
                    causes.append(gap.cause)
                } else {
                    #expect(Self.number(event, opened.batch) == committed[name], seed)
                    if output == 1 { received.insert(name) }
                }
            }
            await outbox.settle(output, portion.stream, block, done: opened.batch.events.count)
        }
    }

    func damage(_ name: String, _ change: (inout [UInt8]) -> Void) throws {
        let url = URL(fileURLWithPath: path(name))
        var bytes = [UInt8](try Data(contentsOf: url))
        change(&bytes)
        let file = try FileHandle(forWritingTo: url)
        try file.truncate(atOffset: UInt64(bytes.count))
        try file.seek(toOffset: 0)
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }

    func crashWhileSalvaging() async throws {
        try await salvageALittle()
        await crash()
    }

    private func salvageALittle() async throws {
        let outbox = try open()
        await outbox.beginSalvage()
        await outbox.salvageStep()
        await outbox.flush()
    }

    /// Opens what is there, commits at once, and looks whether everything that was committed is sent or told as lost.
    func checkRecovery(mostMissing: Int = .max) async throws {
        let before = Set(committed.keys)
        try await recover()
        try await receive(try open(), 1, most: .max)
        let missing = before.subtracting(received)
        let isUncountable = gaps.contains { $0.count == 0 }
        let untold = missing.filter { name in
            !isUncountable
                && !gaps.contains { $0.lane == name.lane && $0.first <= name.sequence && name.sequence <= $0.last }
        }
        #expect(untold.isEmpty, "HEADGATE_SEED=\(random.seed), \(missing.count) missing, told: \(gaps)")
        #expect(missing.count <= mostMissing, seed)
        // What came afterwards is there in any case.
        #expect(Set(committed.keys).subtracting(before).isSubset(of: received), seed)
    }

    private func recover() async throws {
        try await exercise()
        try await close()
    }

    private func exercise() async throws {
        let outbox = if let outbox = self.outbox { outbox } else { try open() }
        await commit(outbox)
        for _ in 0..<3 {
            await outbox.beginSalvage()
            while await outbox.isSalvaging { await outbox.salvageStep() }
            await outbox.flush()
            noteCommits()
            try await receive(outbox, 1, most: .max)
            await commit(outbox)
        }
        let isSound = await outbox.isSound
        #expect(isSound)
    }
}

extension Outbox {
    fileprivate func checkpointForTests() throws {
        try database.checkpoint(truncate: true)
    }
}
