// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The files of an outbox, in the gateway's `state` folder.
struct Folder: Sendable {
    let path: String

    var database: String { path + "/outbox.db" }
    var log: String { database + "-wal" }
    var record: String { path + "/epoch" }
    var ballast: String { path + "/ballast" }
    /// A folder for each database that was put aside.
    var quarantine: String { path + "/quarantine" }

    /// Makes the folder where somebody took it away.
    /// - Returns: whether it had to be made.
    func restore() -> Bool {
        mkdir(path, 0o700) == 0
    }

    /// A new file's name is safe only once its folder is.
    static func sync(of path: String) throws(OutboxError) {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let file = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw OutboxError.system("open \(folder)", errno) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw OutboxError.system("fsync \(folder)", errno) }
    }

    /// Bytes of a file; nil where there is none.
    static func size(of path: String) -> Int64? {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    /// Bytes that the file system has left for us; nil where it does not say.
    var room: Int64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let (bytes, isTooMuch) = Int64(clamping: status.f_bavail).multipliedReportingOverflow(
            by: Int64(clamping: status.f_frsize))
        return isTooMuch ? .max : bytes
    }

    /// Why nothing can be made in it; nil where something can. SQLite then tries to read what it may not write, and says of a
    /// new file that there is none.
    var reasonNotWritable: String? {
        access(path, W_OK) == 0 ? nil : "\(OutboxError.system("write to \(path)", errno))"
    }

    /// What a path leads to; nil where to nothing.
    static func identity(of path: String) -> FileIdentity? {
        var status = stat()
        return stat(path, &status) == 0 ? FileIdentity(device: status.st_dev, number: status.st_ino) : nil
    }

    // MARK: Quarantine

    /// Puts the database and its log aside, for whoever wants to look at them and for what can be saved from them.
    /// - Parameter isOurs: false for what nothing is to be saved from.
    /// - Returns: the folder they are in.
    func putAside(isOurs: Bool = true) throws(OutboxError) -> String {
        let aside = try newAside()
        if !isOurs { try Self.touch(aside + "/foreign") }
        // Each has both names for a moment, so that a power cut leaves either the whole here or the whole there.
        let names = ["outbox.db", "outbox.db-wal"].filter { access("\(path)/\($0)", F_OK) == 0 }
        for name in names where link("\(path)/\(name)", "\(aside)/\(name)") != 0 {
            guard rename("\(path)/\(name)", "\(aside)/\(name)") == 0 else {
                throw OutboxError.system("move \(path)/\(name) to \(aside)", errno)
            }
        }
        try Self.sync(of: "\(aside)/outbox.db")
        for name in names { unlink("\(path)/\(name)") }
        unlink("\(path)/outbox.db-shm")
        try Self.sync(of: database)
        return aside
    }

    /// A new folder in the quarantine, with a number above the others'.
    func newAside() throws(OutboxError) -> String {
        guard mkdir(quarantine, 0o700) == 0 || errno == EEXIST else {
            throw OutboxError.system("make \(quarantine)", errno)
        }
        let aside = "\(quarantine)/\((numbered().last ?? 0) + 1)"
        guard mkdir(aside, 0o700) == 0 else { throw OutboxError.system("make \(aside)", errno) }
        return aside
    }

    private func numbered() -> [UInt64] {
        Self.names(in: quarantine).compactMap { UInt64($0) }.filter { $0 < 1 << 62 }.sorted()
    }

    /// What was put aside and not yet saved from, oldest first.
    private var asides: [String] {
        numbered().map { "\(quarantine)/\($0)" }.filter {
            access($0 + "/outbox.db", F_OK) == 0 && access($0 + "/salvaged", F_OK) != 0
                && access($0 + "/foreign", F_OK) != 0
        }
    }

    /// Of what was put aside, that from which something can be saved now.
    func notSalvaged(_ keys: KeyRing) -> [String] {
        asides.filter { folder in
            let missing = Self.missingKeys(in: folder)
            return missing.isEmpty || missing.contains(where: keys.has)
        }
    }

    /// What waits for a key to be given back: the folders, and the keys by name.
    func sealed(_ keys: KeyRing) -> [(folder: String, keys: [String])] {
        asides.map { ($0, Self.missingKeys(in: $0).filter { !keys.has($0) }.map(KeyRing.name)) }.filter {
            !$0.1.isEmpty
        }
    }

    /// Notes that the rest can be saved only with keys that are missing: it is kept until they are there.
    func markSealed(_ aside: String, _ keys: Set<Int64>) throws(OutboxError) {
        for key in keys { try Self.touch(aside + "/" + Self.sealedPrefix + KeyRing.name(key)) }
    }

    private static let sealedPrefix = "sealed-"

    private static func missingKeys(in aside: String) -> [Int64] {
        names(in: aside).filter { $0.hasPrefix(sealedPrefix) }.sorted().compactMap {
            Int64($0.dropFirst(sealedPrefix.count), radix: 16)
        }
    }

    /// Notes that all there was to save has been; of what is done with, only the newest is kept.
    func markSalvaged(_ aside: String) throws(OutboxError) {
        try Self.touch(aside + "/salvaged")
        let done = numbered().map { "\(quarantine)/\($0)" }.filter { access($0 + "/salvaged", F_OK) == 0 }
        for folder in done.dropLast() {
            for name in Self.names(in: folder) { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
    }

    private static func touch(_ path: String) throws(OutboxError) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw OutboxError.system("make \(path)", errno) }
        close(file)
        try sync(of: path)
    }

    static func names(in folder: String) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

/// Which file it is, whatever it is called.
struct FileIdentity: Equatable {
    let device: dev_t
    let number: ino_t
}

/// Held by the process that uses a state folder, for as long as it lives.
struct FolderLock: ~Copyable {
    private let file: Int32

    /// - Throws: of kind `inUse` while another process has it. A folder in which nothing can be written needs no lock.
    init(_ folder: Folder) throws(OutboxError) {
        file = open(folder.path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, flock(file, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK else { return }
        close(file)
        throw OutboxError(
            .inUse,
            "\(folder.path) is in use by another headgate: stop it, or give this one a `state` of its own")
    }

    deinit {
        if file >= 0 { close(file) }
    }
}
