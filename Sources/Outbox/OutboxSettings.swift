// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How much the outbox keeps, and how soon it commits.
package struct OutboxSettings: Sendable {
    /// The folder of the database and its epoch.
    package var folder: String
    /// Bytes of the database; the oldest blocks go beyond.
    package var maxSize: Int64 = 1 << 30
    /// Microseconds that a block is kept for an output that does not take it.
    package var maxAge: Int64 = 7 * 86_400 * 1_000_000
    package var limits = Intake.Limits()

    package init(folder: String) {
        self.folder = folder
    }

    var databasePath: String { folder + "/outbox.db" }
    var epochPath: String { folder + "/epoch" }
}
