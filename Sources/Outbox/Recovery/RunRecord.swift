// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// What is known of the last run without the database: kept in the file `epoch` beside it, so that a database or a log
/// that is lost, stale or somebody else's is noticed.
struct RunRecord: Equatable {
    /// Raised at each writing.
    var turn: UInt64
    /// The epoch of the run, which the database has too; until that is written, it has the one before.
    var epoch: UInt64
    var epochBefore: UInt64
    /// Drawn once for each state folder; the database has it too.
    var identity: UInt64
    var log: Log

    /// Whether the database may never have been begun: then nothing is missing where nothing is.
    var isOfFirstStart: Bool { epochBefore == 0 && log == .any }

    /// What the database's log has to look like.
    enum Log: Equatable {
        /// Nothing is known of it.
        case any
        /// The run has ended, with nothing left in it.
        case empty
        /// Its first salt (sqlite.org/fileformat2.html, 4.1); a log begun after it has one more.
        case salt(UInt32)

        fileprivate init(_ number: UInt64) {
            switch number {
            case 1: self = .empty
            case 2...: self = .salt(UInt32(truncatingIfNeeded: number >> 8))
            default: self = .any
            }
        }

        fileprivate var number: UInt64 {
            switch self {
            case .any: 0
            case .empty: 1
            case .salt(let salt): 2 | UInt64(salt) << 8
            }
        }
    }
}

/// The file of run records.
///
/// Two slots, written in turn, each with its own checksum, so that a power cut in the middle of a write leaves the other.
/// They lie behind those of version 1, which had the epoch alone.
struct RunRecordFile {
    private static let slotSize = 48
    private static let places: [off_t] = [64, 128]
    private let path: String

    init(path: String) {
        self.path = path
    }

    /// The newest record; nil where there is none to be read.
    func read() -> RunRecord? {
        slots().max { $0.turn < $1.turn }
            ?? oldEpoch().map { RunRecord(turn: 1, epoch: $0, epochBefore: $0, identity: 0, log: .any) }
    }

    /// Writes a record; its turn is the next.
    func write(_ record: inout RunRecord) throws(OutboxError) {
        record.turn = (slots().map(\.turn).max() ?? record.turn) + 1
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw OutboxError.system("open \(path)", errno) }
        defer { close(file) }
        var out = ByteWriter()
        for number in [record.turn, record.epoch, record.epochBefore, record.identity, record.log.number] {
            out.fixed(number)
        }
        out.fixed(UInt64(CRC32C.of(out.bytes)))
        let place = Self.places[Int(record.turn % 2)]
        let written = out.bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, place) }
        guard written == Self.slotSize, fsync(file) == 0 else { throw OutboxError.system("write \(path)", errno) }
        try Folder.sync(of: path)
    }

    private func slots() -> [RunRecord] {
        Self.places.compactMap { place in
            guard let numbers = numbers(6, at: place), numbers[0] > 0 else { return nil }
            return RunRecord(
                turn: numbers[0], epoch: numbers[1], epochBefore: numbers[2], identity: numbers[3],
                log: .init(numbers[4]))
        }
    }

    /// Of version 1: turn and epoch, at the beginning.
    private func oldEpoch() -> UInt64? {
        [off_t(0), 24].compactMap { numbers(3, at: $0) }.filter { $0[0] > 0 }.max { $0[0] < $1[0] }?[1]
    }

    /// Numbers with their checksum behind them; nil where that does not match.
    private func numbers(_ count: Int, at place: off_t) -> [UInt64]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: count * 8)
        let read = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, place) }
        guard read == bytes.count else { return nil }
        var reader = ByteReader(bytes)
        let numbers = (0..<count).compactMap { _ in try? reader.fixed() }
        guard numbers.count == count, numbers[count - 1] == UInt64(CRC32C.of(Array(bytes.dropLast(8)))) else {
            return nil
        }
        return numbers
    }
}
