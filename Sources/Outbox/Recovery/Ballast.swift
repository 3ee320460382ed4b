// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Room on the disk that is ours already.
///
/// When a file system is full, deleting blocks and emptying the log both fail: each has to write first. The ballast is
/// let go then; as it is larger than the log, what is deleted can be written. Measured: 2 MiB did not do for a log of
/// 4 MiB, 5 did.
struct Ballast {
    private let path: String
    private let size: Int64

    init(path: String, size: Int64) {
        self.path = path
        self.size = size
    }

    var isThere: Bool { Folder.size(of: path) == size }

    /// Takes the room, where the disk has it.
    /// - Returns: whether it is there.
    func restore() -> Bool {
        if isThere { return true }
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        let isTaken = posix_fallocate(file, 0, off_t(size)) == 0 && fsync(file) == 0
        close(file)
        if !isTaken { unlink(path) }
        return isTaken
    }

    /// - Returns: whether there was any.
    func release() -> Bool {
        unlink(path) == 0
    }
}
