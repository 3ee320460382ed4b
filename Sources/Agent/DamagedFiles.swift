// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// The files of the state folder that cannot be read: each is moved to `quarantine`, and a warning says so.
struct DamagedFiles: Sendable {
    private let quarantine: String
    private let warnings: any WarningSink

    init(state: String, warnings: any WarningSink) {
        quarantine = state + "/quarantine"
        self.warnings = warnings
    }

    /// - Parameters:
    ///   - reason: why the file cannot be read.
    ///   - next: what that means, and what to do about it.
    func setAside(_ path: String, _ reason: String, next: String) {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        mkdir(quarantine, 0o700)
        // The newest of a name is kept.
        let isMoved = rename(path, "\(quarantine)/\(name)") == 0
        warnings.warn(
            .stateFileDamaged, of: name,
            "\(path) cannot be read (\(reason)), and is ignored"
                + (isMoved ? "; it is in \(quarantine)" : "; it cannot be moved to \(quarantine)"),
            next: next)
    }
}
