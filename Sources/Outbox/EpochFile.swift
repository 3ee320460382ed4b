// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// The epoch of the database, kept beside it: that the database was lost is known by what is left here.
///
/// Two slots of 24 bytes, written in turn, each with its own checksum, so that a power cut in the middle of a write
/// leaves the other.
struct EpochFile {
    private struct Slot {
        var turn: UInt64
        var epoch: UInt64
    }

    private static let slotSize = 24
    private let path: String

    init(path: String) {
        self.path = path
    }

    /// The epoch last written, or nil where there is none to be read.
    func read() -> UInt64? {
        slots().max { $0.turn < $1.turn }?.epoch
    }

    func write(_ epoch: UInt64) throws {
        let turn = (slots().map(\.turn).max() ?? 0) + 1
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw OutboxError.system("open \(path)", errno) }
        defer { close(file) }
        var out = ByteWriter()
        out.fixed(turn)
        out.fixed(epoch)
        out.fixed(UInt64(CRC32C.of(out.bytes)))
        let place = off_t(turn % 2) * off_t(Self.slotSize)
        let written = out.bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, place) }
        guard written == Self.slotSize, fsync(file) == 0 else { throw OutboxError.system("write \(path)", errno) }
        try Self.syncFolder(of: path)
    }

    /// A new file's name is safe only once its folder is.
    static func syncFolder(of path: String) throws {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let file = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw OutboxError.system("open \(folder)", errno) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw OutboxError.system("fsync \(folder)", errno) }
    }

    private func slots() -> [Slot] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 2 * Self.slotSize)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        return stride(from: 0, to: max(0, count - Self.slotSize + 1), by: Self.slotSize).compactMap { start in
            let slot = Array(bytes[start..<(start + Self.slotSize)])
            var reader = ByteReader(slot)
            guard let turn = try? reader.fixed(), let epoch = try? reader.fixed(), let checksum = try? reader.fixed(),
                checksum == UInt64(CRC32C.of(Array(slot.prefix(16)))), turn > 0
            else { return nil }
            return Slot(turn: turn, epoch: epoch)
        }
    }
}
