// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The tables of the outbox.
///
/// A lane has a table of its own so that its oldest blocks lie together and go together. No secondary index: one would
/// cost a quarter more bytes at each commit, and everything is looked up by block.
///
/// Each row that says what was sent or what a number stands for has a checksum: a bit that flips there would otherwise
/// skip events without a word, or show one point's value under another's name.
enum Schema {
    /// "HGAT": tells that a database is an outbox.
    static let applicationID: Int64 = 0x4847_4154
    /// Version 1 had no checksums beside those of blocks, no thinned blocks and no table of the backlog; in version 2 those of dead
    /// letters could not be checked, and there were no marks; in version 3 there was one copy of definitions, in version 4
    /// there were no alarms and no windows, in version 5 nothing of rules, in version 6 no held ranges; see `Migration`. Each
    /// version changes a table, so that a damaged number is not taken for a newer version.
    static let version: Int64 = 7

    /// Before the first table is made. `auto_vacuum` cannot be changed later: FULL gives the space of sent blocks back
    /// and writes a little less than NONE while blocks come and go (45.5 against 49.7 bytes a reading in blocks of 1,000).
    ///
    /// EXTRA syncs the folder once the journal of the creation is deleted: one that comes back after a power cut would undo
    /// all that has come into the file since.
    static let creation = "PRAGMA synchronous=EXTRA; PRAGMA page_size=4096; PRAGMA auto_vacuum=FULL"

    /// At each opening. EXCLUSIVE comes before the first access, so that no shared-memory file is made.
    static let opening = """
        PRAGMA locking_mode=EXCLUSIVE;
        PRAGMA journal_mode=WAL;
        PRAGMA synchronous=FULL;
        PRAGMA journal_size_limit=8388608;
        PRAGMA cache_size=-64;
        PRAGMA mmap_size=0;
        PRAGMA temp_store=MEMORY;
        PRAGMA trusted_schema=OFF;
        PRAGMA cell_size_check=ON
        """

    static let tables = """
        CREATE TABLE block_0(\(blockColumns));
        CREATE TABLE block_1(\(blockColumns));
        CREATE TABLE block_2(\(blockColumns));
        CREATE TABLE output(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE cursor(output INTEGER NOT NULL, lane INTEGER NOT NULL, block INTEGER NOT NULL,
            done INTEGER NOT NULL, crc INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(output, lane)) WITHOUT ROWID;
        \(replayTable);
        \(markTable);
        CREATE TABLE gap(id INTEGER PRIMARY KEY, cause INTEGER NOT NULL, lane INTEGER NOT NULL,
            first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, since INTEGER NOT NULL,
            until INTEGER NOT NULL, outputs TEXT NOT NULL, announced INTEGER NOT NULL);
        CREATE TABLE dead(id INTEGER PRIMARY KEY, output INTEGER NOT NULL, epoch INTEGER NOT NULL, lane INTEGER NOT NULL,
            sequence INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, codec INTEGER NOT NULL,
            crc INTEGER NOT NULL, body BLOB NOT NULL, key_id INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE device(\(definitionColumns));
        CREATE TABLE series(\(definitionColumns));
        CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
        \(copyTables);
        \(sealedTables);
        \(ruleTable);
        PRAGMA application_id=\(applicationID);
        PRAGMA user_version=\(version)
        """

    /// `first` is the sequence number of the block's first event, `last` that of its last where some between are gone,
    /// else 0. Times are microseconds since 1970.
    private static let blockColumns = """
        id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first INTEGER NOT NULL, events INTEGER NOT NULL,
        readings INTEGER NOT NULL,
        since INTEGER NOT NULL, until INTEGER NOT NULL, committed INTEGER NOT NULL, codec INTEGER NOT NULL,
        key_id INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL, last INTEGER NOT NULL DEFAULT 0
        """

    private static let definitionColumns =
        "id INTEGER PRIMARY KEY, definition BLOB NOT NULL, crc INTEGER NOT NULL DEFAULT 0"

    /// Every block needs its definitions: they lie on two pages.
    static let copyTables = """
        CREATE TABLE device_copy(\(definitionColumns));
        CREATE TABLE series_copy(\(definitionColumns))
        """

    /// How far an output is at a place of its broker.
    static let markTable = """
        CREATE TABLE mark(output INTEGER NOT NULL, place TEXT NOT NULL, position INTEGER NOT NULL, crc INTEGER NOT NULL,
            PRIMARY KEY(output, place)) WITHOUT ROWID
        """

    /// Alarms that are under way, and windows that are open; see `SealedRow`.
    static let sealedTables = """
        CREATE TABLE alarm(\(sealedColumns));
        CREATE TABLE window(\(sealedColumns))
        """

    /// What rules know and how far they are.
    static let ruleTable = "CREATE TABLE rule(\(sealedColumns))"

    private static let sealedColumns =
        "id INTEGER PRIMARY KEY, key_id INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL"

    static let heldColumns = [
        "topic TEXT NOT NULL DEFAULT ''", "template TEXT NOT NULL DEFAULT ''", "events INTEGER NOT NULL DEFAULT 0",
    ]

    /// `state` is 0 for one that waits for its blocks, 1 for one under way. `topic`, `template` and `events` are of held ranges.
    static let replayTable = """
        CREATE TABLE replay(id INTEGER PRIMARY KEY, output INTEGER NOT NULL, lane INTEGER NOT NULL,
            block INTEGER NOT NULL, done INTEGER NOT NULL, until INTEGER NOT NULL, state INTEGER NOT NULL,
            crc INTEGER NOT NULL, \(heldColumns.joined(separator: ", ")))
        """
}
