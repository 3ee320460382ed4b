// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// SQLite's write-ahead log as a file (sqlite.org/fileformat2.html, 4): whose it is, and whether it is whole.
///
/// SQLite does not notice a log of another database, and at the first frame whose checksum fails it drops all that
/// follows without a word, commits that were acknowledged among them.
struct LogFile {
    private let path: String

    init(path: String) {
        self.path = path
    }

    /// The first salt of its header; nil where there is no log.
    var salt: UInt32? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return Header(file)?.salts.0
    }

    enum State: Equatable {
        case whole
        /// Frames were damaged in its middle; what could be kept of them is.
        case mended
        /// All of the last commit was written, and it cannot be read: it may have been promised. That only a part of it was
        /// written is what a power cut leaves.
        case lastCommitDamaged
    }

    /// Makes a log readable whose frames were damaged in its middle.
    ///
    /// A commit begins only once the one before it is synced. So what lies behind a bad frame was never promised where it
    /// is one commit or a part of one: that is what a power cut leaves, and it goes. Where a further commit follows, the
    /// one before it had been synced and the bad frame is damage. Then the frames from there on get checksums that agree
    /// with what they hold: a page that was damaged is left to the checksum of the block it is in, and a frame that no
    /// longer says which page it is of repeats the one before it.
    /// - Parameter salt: what its header should have for a first salt, where it has no header any more.
    func mend(salt: UInt32?) -> State {
        let file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { return .whole }
        defer { close(file) }
        var frames = Frames(file)
        var header = Header(file)
        if header == nil, let first = frames.read(0), let salt, first.firstSalt == salt || first.firstSalt == salt &+ 1
        {
            header = Header(restoredIn: file, salts: first.salts)
        }
        guard let header, header.pageSize == Int(Database.pageSize) else { return .whole }
        frames.header = header
        var sum = header.checksum
        var index = 0
        while let frame = frames.read(index), frame.isValid(after: sum, header) {
            sum = frame.stored
            index += 1
        }
        let (promised, isLastWhole) = frames.commits(from: index)
        guard let promised else { return isLastWhole ? .lastCommitDamaged : .whole }
        return rewrite(frames, index...frames.extended(promised), after: sum, header) ? .mended : .lastCommitDamaged
    }

    private func rewrite(
        _ frames: Frames, _ range: ClosedRange<Int>, after sum: LogChecksum, _ header: Header
    ) -> Bool {
        var sum = sum
        for index in range {
            guard var frame = frames.read(index) else { return false }
            if !frame.isOf(header) {
                guard index > 0, let before = frames.read(index - 1) else { return false }
                frame = before
                frame.isCommit = false
            }
            sum = frame.renew(after: sum, header)
            guard frames.write(frame, index) else { return false }
        }
        return fsync(frames.file) == 0
    }
}

// MARK: Parts

/// Both halves of the running checksum.
private struct LogChecksum: Equatable {
    var first: UInt32 = 0
    var second: UInt32 = 0

    /// - Parameter bytes: of a length that eight divides.
    mutating func add(_ bytes: UnsafeRawBufferPointer, isBigEndian: Bool) {
        for place in stride(from: 0, to: bytes.count - 7, by: 8) {
            first &+= Self.word(bytes, place, isBigEndian) &+ second
            second &+= Self.word(bytes, place + 4, isBigEndian) &+ first
        }
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ place: Int, _ isBigEndian: Bool) -> UInt32 {
        let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
        return isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
    }
}

private struct Header {
    let pageSize: Int
    let salts: (UInt32, UInt32)
    let isBigEndian: Bool
    let checksum: LogChecksum

    /// Writes a new one into a log that has lost it.
    init?(restoredIn file: Int32, salts: (UInt32, UInt32)) {
        var bytes = [UInt8](repeating: 0, count: 32)
        // Big-endian words; the format's version; the page size; the count of checkpoints, which nobody looks at.
        for (place, word) in [
            (0, 0x377F_0683), (4, 3_007_000), (8, UInt32(Database.pageSize)), (16, salts.0), (20, salts.1),
        ] {
            bytes.setBigEndian(word, at: place)
        }
        var sum = LogChecksum()
        bytes.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<24]), isBigEndian: true) }
        bytes.setBigEndian(sum.first, at: 24)
        bytes.setBigEndian(sum.second, at: 28)
        guard bytes.withUnsafeBytes({ pwrite(file, $0.baseAddress, $0.count, 0) }) == bytes.count else { return nil }
        self.init(file)
    }

    /// Nil where the file has none, or one that is damaged.
    init?(_ file: Int32) {
        var bytes = [UInt8](repeating: 0, count: 32)
        guard bytes.withUnsafeMutableBytes({ pread(file, $0.baseAddress, $0.count, 0) }) == bytes.count else {
            return nil
        }
        let magic = bytes.bigEndian(at: 0)
        guard magic & ~1 == 0x377F_0682 else { return nil }
        isBigEndian = magic & 1 == 1
        var sum = LogChecksum()
        bytes.withUnsafeBytes {
            sum.add(UnsafeRawBufferPointer(rebasing: $0[..<24]), isBigEndian: magic & 1 == 1)
        }
        guard sum == LogChecksum(first: bytes.bigEndian(at: 24), second: bytes.bigEndian(at: 28)) else { return nil }
        checksum = sum
        pageSize = Int(bytes.bigEndian(at: 8))
        salts = (bytes.bigEndian(at: 16), bytes.bigEndian(at: 20))
    }
}

/// One page of one commit.
private struct Frame {
    static let headerSize = 24
    static let size = headerSize + Int(Database.pageSize)
    var bytes: [UInt8]

    /// The last page of its commit says how large the database is then.
    var isCommit: Bool {
        get { bytes.bigEndian(at: 4) != 0 }
        set { if !newValue { bytes.setBigEndian(0, at: 4) } }
    }

    var salts: (UInt32, UInt32) { (bytes.bigEndian(at: 8), bytes.bigEndian(at: 12)) }
    var firstSalt: UInt32 { salts.0 }

    /// The checksum it says the log has up to here.
    var stored: LogChecksum { LogChecksum(first: bytes.bigEndian(at: 16), second: bytes.bigEndian(at: 20)) }

    func isOf(_ header: Header) -> Bool {
        salts == header.salts
    }

    func isValid(after sum: LogChecksum, _ header: Header) -> Bool {
        isOf(header) && checksum(after: sum, header) == stored
    }

    private func checksum(after sum: LogChecksum, _ header: Header) -> LogChecksum {
        var sum = sum
        bytes.withUnsafeBytes { bytes in
            sum.add(UnsafeRawBufferPointer(rebasing: bytes[..<8]), isBigEndian: header.isBigEndian)
            sum.add(UnsafeRawBufferPointer(rebasing: bytes[Self.headerSize...]), isBigEndian: header.isBigEndian)
        }
        return sum
    }

    /// Gives it the salts of its log and the checksum of what it holds.
    mutating func renew(after sum: LogChecksum, _ header: Header) -> LogChecksum {
        let sum = checksum(after: sum, header)
        for (place, word) in [(8, header.salts.0), (12, header.salts.1), (16, sum.first), (20, sum.second)] {
            bytes.setBigEndian(word, at: place)
        }
        return sum
    }
}

private struct Frames {
    private static let start = 32
    let file: Int32
    var header: Header?

    init(_ file: Int32) {
        self.file = file
    }

    private func place(_ index: Int) -> off_t { off_t(Self.start + index * Frame.size) }

    func read(_ index: Int) -> Frame? {
        var bytes = [UInt8](repeating: 0, count: Frame.size)
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, place(index)) }
        return count == bytes.count ? Frame(bytes: bytes) : nil
    }

    func write(_ frame: Frame, _ index: Int) -> Bool {
        frame.bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, Frame.headerSize, place(index)) } == Frame.headerSize
    }

    /// The last commit that another was begun after, by its last frame; and whether the last there is was written to its
    /// end.
    func commits(from first: Int) -> (promised: Int?, isLastWhole: Bool) {
        guard let header else { return (nil, false) }
        var promised: Int?
        var lastCommit: Int?
        var isLastWhole = false
        // A frame that was never written leaves what was there before, another log's frame or nothing.
        var isOneMissing = false
        var index = first
        while let frame = read(index) {
            if frame.isOf(header) {
                promised = lastCommit ?? promised
                isLastWhole = frame.isCommit && index > first && !isOneMissing
                if frame.isCommit { lastCommit = index }
            } else {
                isOneMissing = true
            }
            index += 1
        }
        return (promised, isLastWhole)
    }

    /// The end of the commits after `index` whose frames agree with one another.
    func extended(_ index: Int) -> Int {
        guard let header, var sum = read(index)?.stored else { return index }
        var (end, next) = (index, index + 1)
        while let frame = read(next), frame.isValid(after: sum, header) {
            sum = frame.stored
            if frame.isCommit { end = next }
            next += 1
        }
        return end
    }
}

extension [UInt8] {
    fileprivate func bigEndian(at place: Int) -> UInt32 {
        self[place..<(place + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }

    fileprivate mutating func setBigEndian(_ word: UInt32, at place: Int) {
        for byte in 0..<4 { self[place + byte] = UInt8(truncatingIfNeeded: word >> (24 - 8 * byte)) }
    }
}
