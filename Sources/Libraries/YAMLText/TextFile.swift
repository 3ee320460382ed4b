// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why a file cannot be read.
public struct TextFileError: Error, CustomStringConvertible {
    public let description: String
}

/// Small text files: configuration, maps, secrets.
public enum TextFile {
    /// Larger than any of them ever is; what is not one of them may be endless.
    public static let limit = 8 << 20

    /// - Parameter limit: bytes.
    public static func read(_ path: String, limit: Int = limit) throws(TextFileError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw TextFileError(description: "\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw TextFileError(description: "\(path): \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw TextFileError(description: "\(path): larger than \(limit) bytes") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw TextFileError(description: "\(path): not a text in UTF-8")
        }
        return text
    }

    /// Writes a file.
    /// - Parameter replaces: whether it may be there already.
    public static func create(_ path: String, _ text: String, replaces: Bool = false) throws(TextFileError) {
        let file = open(path, O_WRONLY | O_CREAT | (replaces ? O_TRUNC : O_EXCL) | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw TextFileError(description: "\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw TextFileError(description: "\(path): \(String(cString: strerror(errno)))") }
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

    /// True where others than the owner and the group may read the file.
    public static func isWorldReadable(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IROTH != 0
    }
}
