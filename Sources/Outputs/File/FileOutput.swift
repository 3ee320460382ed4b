// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Logging
import Waiting

/// Appends events to a file, a line each (JSON Lines); a window is settled once it is synced to the disk.
///
/// When the file reaches its size it becomes `name.1`, the one before `name.2`, and so on.
public actor FileOutput: Output {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let path: String
    /// Bytes after which a new file is begun.
    private let rotateSize: Int
    /// How many full files are kept beside the current one.
    private let keep: Int
    /// The permissions of new files.
    private let mode: mode_t
    private var file: OpenFile?

    public init(path: String, rotateSize: Int, keep: Int, mode: UInt32 = 0o640, name: String) {
        executor = BlockingExecutor(label: "file.\(name)")
        self.path = path
        self.rotateSize = rotateSize
        self.keep = keep
        self.mode = mode
    }

    public func send(_ window: Outgoing) -> SendOutcome {
        do {
            try write(window)
            return SendOutcome(settled: window.messages.count)
        } catch {
            // An fsync that failed must not be tried again on the same file (Rebello et al., USENIX ATC 2020).
            file = nil
            return SendOutcome(settled: 0, failure: error)
        }
    }

    private func write(_ window: Outgoing) throws(OutputFailure) {
        var lines: [UInt8] = []
        lines.reserveCapacity(window.bytes.count + window.messages.count)
        for message in window.messages {
            lines.append(contentsOf: window.bytes[message.payload])
            lines.append(UInt8(ascii: "\n"))
        }
        // Whoever moved or deleted it does not read what is written into it.
        if !(file?.isInPlace ?? true) { file = nil }
        let size = file?.size ?? 0
        if size > 0, size + lines.count > rotateSize { try rotate() }
        if file == nil { file = try OpenFile(path: path, mode: mode) }
        try file?.append(lines)
    }

    private func rotate() throws(OutputFailure) {
        file = nil
        for number in stride(from: keep, to: 0, by: -1) {
            let from = number == 1 ? path : "\(path).\(number - 1)"
            if rename(from, "\(path).\(number)") != 0, errno != ENOENT { throw OpenFile.failure("rename \(from)") }
        }
        if keep == 0 { unlink(path) }
    }

    public func tend() {}

    public func close() {
        file = nil
    }
}

/// A file that lines are appended to.
private struct OpenFile: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private(set) var size: Int

    init(path: String, mode: mode_t) throws(OutputFailure) {
        (descriptor, size) = try Self.open(path, mode)
        self.path = path
    }

    private static func open(_ path: String, _ mode: mode_t) throws(OutputFailure) -> (descriptor: Int32, size: Int) {
        // A pipe or a terminal in its place is not waited for.
        var descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT {
            descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode)
            // The process' umask is for the state folder.
            if descriptor >= 0 { fchmod(descriptor, mode) }
        }
        guard descriptor >= 0 else { throw failure("open \(path)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw OutputFailure("\(path) is written by another process: give each gateway a file of its own")
        }
        let size = endOfLastLine(descriptor)
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            let failure = failure("truncate \(path)")
            Glibc.close(descriptor)
            throw failure
        }
        guard syncFolder(of: path) else {
            let failure = failure("fsync the folder of \(path)")
            Glibc.close(descriptor)
            throw failure
        }
        return (descriptor, size)
    }

    /// Whether the path still leads to this file, and nobody has cut it or added to it.
    var isInPlace: Bool {
        var (open, named) = (stat(), stat())
        guard fstat(descriptor, &open) == 0, stat(path, &named) == 0 else { return false }
        return open.st_dev == named.st_dev && open.st_ino == named.st_ino && Int(open.st_size) == size
    }

    /// A new file's name is safe only once its folder is.
    private static func syncFolder(of path: String) -> Bool {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let name = folder.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : folder
        let descriptor = Glibc.open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        return fsync(descriptor) == 0
    }

    deinit {
        Glibc.close(descriptor)
    }

    /// After a power cut the last line may be torn; its event is sent again, so the piece goes.
    private static func endOfLastLine(_ descriptor: Int32) -> Int {
        var end = Int(lseek(descriptor, 0, SEEK_END))
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while end > 0 {
            let start = max(0, end - chunk.count)
            let read = chunk.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, end - start, off_t(start)) }
            guard read == end - start else { return end }
            if let newline = chunk[..<read].lastIndex(of: UInt8(ascii: "\n")) { return start + newline + 1 }
            end = start
        }
        return 0
    }

    mutating func append(_ bytes: [UInt8]) throws(OutputFailure) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written, off_t(size + written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let failure = Self.failure("write \(path)")
                // No piece of a line stays behind for a reader to trip over.
                ftruncate(descriptor, off_t(size))
                throw failure
            }
            written += count
        }
        guard fdatasync(descriptor) == 0 else { throw Self.failure("fsync \(path)") }
        size += written
    }

    static func failure(_ what: String) -> OutputFailure {
        OutputFailure("\(what): \(String(cString: strerror(errno)))")
    }
}
