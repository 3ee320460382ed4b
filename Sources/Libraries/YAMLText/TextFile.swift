// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Glibc

/// Why a file cannot be read.
public struct TextFileError: CodedError {
    public var code: Code { .fileNotRead }
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Small text files: configuration, maps, secrets.
public enum TextFile {
    /// Larger than any of them ever is; what is not one of them may be endless.
    public static let limit = 8 << 20

    /// Milliseconds. A pipe may be given for a file, and its writer may never come.
    private static let patience = 5_000

    /// The text of a file, without a byte order mark.
    /// - Parameter limit: bytes.
    public static func read(_ path: String, limit: Int = limit) throws(TextFileError) -> String {
        // Without it a pipe that has no writer would be waited for without end.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw TextFileError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        let bytes = try bytes(of: file, path, limit)
        guard !bytes.starts(with: [0xFF, 0xFE]), !bytes.starts(with: [0xFE, 0xFF]) else {
            throw TextFileError("\(path): the file is in UTF-16: save it in UTF-8")
        }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        guard let text = String(validating: bytes.dropFirst(bytes.starts(with: mark) ? 3 : 0), as: UTF8.self) else {
            throw TextFileError("\(path): the file is not a text in UTF-8")
        }
        return text
    }

    /// The folder that a file is in, as its path says.
    public static func folder(of path: String) -> String {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        return folder.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : folder
    }

    private static func bytes(of file: Int32, _ path: String, _ limit: Int) throws(TextFileError) -> [UInt8] {
        var deadline = ContinuousClock.now + .milliseconds(patience)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            var watched = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            let left = ContinuousClock.now.duration(to: deadline)
            let milliseconds = max(
                0, left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000)
            guard poll(&watched, 1, Int32(clamping: milliseconds)) > 0 else {
                throw TextFileError("\(path): no data arrived from the pipe or device within \(patience / 1_000) s")
            }
            let count = chunk.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            guard count >= 0 else { throw TextFileError("\(path): \(String(cString: strerror(errno)))") }
            if count == 0 { return bytes }
            deadline = .now + .milliseconds(patience)
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw TextFileError("\(path): the file is larger than \(limit) bytes") }
        }
    }

    /// Writes a file.
    /// - Parameter replaces: whether it may be there already.
    public static func create(_ path: String, _ text: String, replaces: Bool = false) throws(TextFileError) {
        let file = open(path, O_WRONLY | O_CREAT | (replaces ? O_TRUNC : O_EXCL) | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw TextFileError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw TextFileError("\(path): \(String(cString: strerror(errno)))") }
            bytes = bytes.dropFirst(count)
        }
    }

    /// The names in a folder, sorted; empty where it cannot be read.
    public static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether there is something of the name, of whatever kind.
    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 || errno != ENOENT && errno != ENOTDIR
    }

    /// True where others than the owner and the group may read the file.
    public static func isWorldReadable(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IROTH != 0
    }
}
