// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How much the outbox keeps, and how soon it commits.
public struct OutboxSettings: Sendable {
    /// The folder of the database and its epoch.
    public var folder: String
    /// Bytes of the database; the oldest blocks go beyond.
    public var maxSize: Int64 = 1 << 30
    /// Microseconds that a block is kept for an output that does not take it.
    public var maxAge: Int64 = 7 * 86_400 * 1_000_000
    public var limits = Intake.Limits()

    public init(folder: String) {
        self.folder = folder
    }

    var databasePath: String { folder + "/outbox.db" }
    var epochPath: String { folder + "/epoch" }
}
