// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import Logging
import SQLite

/// What is open over time, as rows: a state, and the readings that came since. A state a commit would be many times as much.
struct WindowBook {
    private enum Kind: UInt8 {
        case state = 0
        case readings = 1
        /// More of the state before.
        case more = 2
    }

    /// Bytes of readings that are kept before a new state takes their place; also where there is hardly a state.
    private static let leastLog = 64 << 10
    /// Bytes of a state in a row: no row may be larger than is read back.
    private static let mostInRow = 4 << 20

    private var nextRow: Int64 = 1
    private var stateBytes = 0
    private var logBytes = 0
    /// What came since the last commit: each with the moment at which it was taken.
    private var pending: [Batch] = []
    /// Whether what is in the database is of no use.
    private var isWhole = true

    mutating func add(_ readings: [Reading], at now: Timestamp) {
        var entry = Batch()
        entry.readings = readings
        entry.close(.telemetry, device: .gateway, time: now)
        pending.append(entry)
    }

    mutating func markUnsaved() { isWhole = true }

    /// What is only in memory is not written down: it is gone with the process anyhow, and would take room from events.
    mutating func forgo() {
        pending.removeAll()
        isWhole = true
    }

    var hasUnsaved: Bool { !pending.isEmpty }

    /// The rows that a commit writes.
    struct Rows {
        fileprivate var rows: [SealedRow] = []
        /// Whether they take the place of all there are.
        fileprivate(set) var areWhole = false
    }

    func rows(_ codec: borrowing BlockCodec, _ condenser: any Condensing) throws -> Rows {
        if isWhole || condenser.isChanged || logBytes > max(Self.leastLog, 2 * stateBytes) {
            let state = condenser.state
            var rows = Rows(areWhole: true)
            for start in stride(from: 0, to: max(1, state.count), by: Self.mostInRow) {
                let kind: Kind = start == 0 ? .state : .more
                let body = [kind.rawValue] + state[start..<min(start + Self.mostInRow, state.count)]
                rows.rows.append(try codec.seal(body, in: .window, id: nextRow + Int64(rows.rows.count)))
            }
            return rows
        }
        var rows = Rows()
        for (place, entry) in pending.enumerated() {
            let body = [Kind.readings.rawValue] + BlockBody.encode(entry)
            rows.rows.append(try codec.seal(body, in: .window, id: nextRow + Int64(place)))
        }
        return rows
    }

    mutating func save(_ rows: Rows, in database: borrowing Database) throws(SQLiteError) {
        let bytes = rows.rows.reduce(0) { $0 + $1.body.count }
        if rows.areWhole {
            try database.deleteAll(from: .window)
            (stateBytes, logBytes, isWhole) = (bytes, 0, false)
        } else {
            logBytes += bytes
        }
        for row in rows.rows { try database.set(row, in: .window) }
        nextRow += Int64(rows.rows.count)
        pending.removeAll()
    }

    /// Brings what is open back to where the last commit left it. Where something is wrong with a row, what comes after it is
    /// left out.
    mutating func restore(
        _ condenser: inout any Condensing, from database: borrowing Database, _ codec: borrowing BlockCodec,
        _ logger: Logger
    ) {
        do {
            var state: [UInt8] = []
            for row in try database.rows(of: .window) {
                nextRow = max(nextRow, row.id &+ 1)
                let body = try codec.open(row, of: .window)
                let kind = body.first.flatMap(Kind.init)
                if kind == .readings, !state.isEmpty {
                    try condenser.restore(state)
                    state.removeAll()
                }
                switch kind {
                case .state, .more: state += body.dropFirst()
                case .readings:
                    let entry = try BlockBody.decode(Array(body.dropFirst()))
                    for event in entry.events { _ = condenser.take(entry.readings, at: event.time) }
                case nil: throw MalformedBytes(expected: "a state or readings")
                }
            }
            if !state.isEmpty { try condenser.restore(state) }
        } catch {
            logger.error(.windowStateDamaged, "Part of the open windows is lost", metadata: ["error": "\(error)"])
        }
    }
}
