// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SQLite

/// The first page of an outbox's file: SQLite's header and the list of tables.
///
/// It has no checksum, and SQLite goes by what it says: by a size that is too small it writes new pages over old ones,
/// by a format that is too new it writes none. In an outbox nearly all of it is known beforehand.
struct FirstPage {
    private static let size = Int(Database.pageSize)

    private let bytes: [UInt8]
    /// Of the file, in pages; nil while its log may say otherwise.
    private let pages: Int64?

    /// What is there now; nil where there is no whole page.
    ///
    /// Read before SQLite has the file open: closing it gives up the locks that this process has on it.
    init?(of path: String) {
        guard let bytes = Self.read(path) else { return nil }
        self.bytes = bytes
        let isLogEmpty = Folder.size(of: path + "-wal") ?? 0 == 0
        pages = isLogEmpty ? Folder.size(of: path).map { $0 / Database.pageSize } : nil
    }

    /// Whether the header is one that an outbox can have (fileformat2.html, 1.3).
    var isSound: Bool {
        // The size of a page, the format (1 without a log, 2 with one), and the three fractions.
        bytes[16...17].elementsEqual([0x10, 0]) && (bytes[18...19] == [1, 1] || bytes[18...19] == [2, 2])
            && bytes[20...23].elementsEqual([0, 64, 32, 32])
            // No free page is left by a commit: auto_vacuum is FULL.
            && integer(32) == 0 && integer(36) == 0
            // The size of the cache, FULL rather than INCREMENTAL, and what is kept for later.
            && integer(48) == 0 && integer(64) == 0 && bytes[72..<92].allSatisfy { $0 == 0 }
            // The format of the schema and UTF-8, which are in the log at first, and the size.
            && (pages == nil || integer(44) == 4 && integer(56) == 1 && isSizeSound)
    }

    /// Two counters that differ tell SQLite to take the size from the file system (1.3.7).
    private var isSizeSound: Bool { integer(24) != integer(92) || integer(28) == pages }

    private func integer(_ offset: Int) -> Int64 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int64($1) }
    }

    private static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: size)
        return bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) } == size ? bytes : nil
    }

    /// Puts that of a new outbox in its place, and keeps the old one beside it. But for the size it is the same in every
    /// outbox that was made with schema 3 or later; in one brought there from before, what lies in tables that moved is lost.
    /// - Returns: whether that could be done.
    static func mend(_ path: String) -> Bool {
        let model = path + ".model"
        defer { for name in ["", "-wal"] { unlink(model + name) } }
        guard let database = try? Database(path: model), (try? database.checkpoint(truncate: true)) != nil,
            let old = read(path), var new = read(model), keep(old, at: path + ".first-page")
        else { return false }
        // So that the size is taken from the file system.
        new[24] ^= 0xFF
        return write(new, to: path)
    }

    /// The first time alone: what is there the second time was put there.
    private static func keep(_ page: [UInt8], at path: String) -> Bool {
        access(path, F_OK) == 0 || write(page, to: path)
    }

    private static func write(_ page: [UInt8], to path: String) -> Bool {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return page.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) } == page.count && fsync(file) == 0
    }
}
