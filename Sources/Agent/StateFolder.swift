// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Glibc
import YAMLText

/// The folder of what the gateway keeps: readings, alarms, ids of commands. Only the gateway's user can read it.
enum StateFolder {
    /// Folders below it, at most: `quarantine/1`.
    private static let deepest = 2
    /// What the gateway makes in it, or begins the name of.
    private static let ownNames = [
        "outbox.db", "epoch", "lock", "ballast", "quarantine", "sunspec", "commands.ids", "learned.json",
        "intervals.json", "baselines.json", "subscriptions.json", "schemas.json", "connections.json",
    ]

    /// Has the files that this process makes be its user's alone, from now on.
    static func keepPrivate() { umask(0o077) }

    /// Makes the folder if it is not there, and takes from other users what it holds.
    /// - Returns: how many files and folders others could read.
    static func prepare(_ path: String) throws(StartError) -> Int {
        try make(path)
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & 0o077 != 0,
            let foreign = TextFile.names(in: path).first(where: { name in
                // In the root of a file system of its own.
                name != "lost+found" && !ownNames.contains { name.hasPrefix($0) }
            })
        {
            throw StartError(
                .stateFolderNotPrivate,
                "state: other users can read \(path), and it contains \(foreign), which is not a file of the gateway: "
                    + "name a folder for the gateway alone, or change its mode to 0700")
        }
        return try close(path, depth: 0)
    }

    private static func make(_ path: String) throws(StartError) {
        var made = ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST else {
                throw StartError(
                    .stateFolderNotPrivate, "state: cannot create \(made): \(String(cString: strerror(errno)))")
            }
        }
    }

    private static func close(_ path: String, depth: Int) throws(StartError) -> Int {
        var status = stat()
        // A link leads out of the folder, but for the folder itself.
        guard (depth == 0 ? stat(path, &status) : lstat(path, &status)) == 0 else { return 0 }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        guard isFolder || status.st_mode & S_IFMT == S_IFREG else { return 0 }
        var count = 0
        if status.st_mode & 0o077 != 0 {
            guard chmod(path, status.st_mode & 0o700) == 0 else {
                // Nothing is written to a disk that is read-only, and the gateway goes on without it.
                if errno == EROFS { return 0 }
                // A folder that an administrator gives to a group stays so; what the gateway makes in it is its own alone.
                if errno == EPERM, status.st_mode & 0o007 == 0 { return 0 }
                throw StartError(
                    .stateFolderNotPrivate,
                    "state: other users can read \(path), and its mode cannot be changed "
                        + "(\(String(cString: strerror(errno)))): make the user of the gateway its owner, with mode \(isFolder ? "0700" : "0600")"
                )
            }
            count = 1
        }
        guard isFolder, depth <= deepest else { return count }
        for name in TextFile.names(in: path) where depth > 0 || ownNames.contains(where: name.hasPrefix) {
            count += try close("\(path)/\(name)", depth: depth + 1)
        }
        return count
    }
}
