// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

/// An alarm that has been told of, and not of its end.
public struct ActiveAlarm: Sendable, Equatable {
    public var alarm: Alarm
    public var device: DeviceNumber
}

/// The alarms that are under way, as the events tell that are committed: kept in the same transactions, so that the gateway
/// goes on with them after a stop, under their old names.
struct AlarmBook {
    private struct Entry {
        var row: Int64
        var active: ActiveAlarm
    }

    private var entries: [String: Entry] = [:]
    private var nextRow: Int64 = 1
    /// Rows that are to be written, and those that go.
    private var unsaved: Set<String> = []
    private var ended: [Int64] = []
    /// Whether what is in the database is of no use.
    private var isWhole = false

    init() {}

    /// What is damaged, or sealed with a key that is gone, is left out: what is still the case is told anew.
    init(reading database: borrowing Database, _ codec: borrowing BlockCodec) throws(SQLiteError) {
        for row in try database.rows(of: .alarm) {
            nextRow = max(nextRow, row.id &+ 1)
            guard let bytes = try? codec.open(row, of: .alarm), let active = Self.decode(bytes) else { continue }
            entries[active.alarm.id] = Entry(row: row.id, active: active)
        }
    }

    var all: [ActiveAlarm] { entries.values.sorted { $0.row < $1.row }.map(\.active) }

    mutating func note(_ batch: Batch) {
        for event in batch.events {
            guard case .alarm(let alarm) = event.detail else { continue }
            if alarm.phase == .end {
                if let entry = entries.removeValue(forKey: alarm.id) { ended.append(entry.row) }
                unsaved.remove(alarm.id)
                continue
            }
            let row = entries[alarm.id]?.row ?? nextRow
            nextRow = max(nextRow, row &+ 1)
            entries[alarm.id] = Entry(row: row, active: ActiveAlarm(alarm: alarm, device: event.device))
            unsaved.insert(alarm.id)
        }
    }

    /// Everything is to be written again, into a database that knows nothing of it.
    mutating func markUnsaved() {
        unsaved = Set(entries.keys)
        isWhole = true
    }

    /// The rows to write.
    func rows(_ codec: borrowing BlockCodec) throws -> [SealedRow] {
        var rows: [SealedRow] = []
        for id in unsaved {
            guard let entry = entries[id] else { continue }
            rows.append(try codec.seal(Self.encode(entry.active), in: .alarm, id: entry.row))
        }
        return rows
    }

    mutating func save(_ rows: [SealedRow], in database: borrowing Database) throws(SQLiteError) {
        if isWhole { try database.deleteAll(from: .alarm) }
        isWhole = false
        for row in ended { try database.delete(row, from: .alarm) }
        for row in rows { try database.set(row, in: .alarm) }
        ended.removeAll()
        unsaved.removeAll()
    }

    private static func encode(_ active: ActiveAlarm) -> [UInt8] {
        var out = ByteWriter()
        out.zigzag(Int64(active.device.raw))
        BlockBody.write(active.alarm, to: &out)
        return out.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> ActiveAlarm? {
        var reader = ByteReader(bytes)
        guard let device = try? reader.zigzag(), let alarm = try? BlockBody.readAlarm(&reader), reader.isAtEnd else {
            return nil
        }
        return ActiveAlarm(alarm: alarm, device: DeviceNumber(raw: Int32(clamping: device)))
    }
}
