// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import SQLite

extension Database {
    /// The number of an output, new where it had none.
    func number(ofOutput name: String) throws(SQLiteError) -> Int64 {
        let find = try connection.prepare("SELECT id FROM output WHERE name=?")
        find.bind(name, at: 1)
        if try find.step() { return find.integer(0) }
        let add = try connection.prepare("INSERT INTO output(name) VALUES(?)")
        add.bind(name, at: 1)
        try add.run()
        return connection.lastInsertedRow
    }

    func add(output number: Int64, _ name: String) throws(SQLiteError) {
        let statement = try connection.prepare("INSERT OR REPLACE INTO output(id,name) VALUES(?,?)")
        statement.bind(number, at: 1)
        statement.bind(name, at: 2)
        try statement.run()
    }

    func outputs() throws(SQLiteError) -> [(number: Int64, name: String)] {
        let statement = try connection.prepare("SELECT id,name FROM output ORDER BY id")
        var outputs: [(number: Int64, name: String)] = []
        while try statement.step() { outputs.append((statement.integer(0), statement.text(1))) }
        return outputs
    }

    // MARK: Cursors

    /// Where an output is. One that is new, or whose row is damaged, starts at the oldest block there is: what is sent
    /// twice has the same name.
    func cursor(output: Int64, _ lane: Lane) throws(SQLiteError) -> Cursor {
        let statement = try connection.prepare("SELECT block,done,crc FROM cursor WHERE output=? AND lane=?")
        statement.bind(output, at: 1)
        statement.bind(Int64(lane.rawValue), at: 2)
        guard try statement.step() else { return .start }
        let (block, done) = (statement.integer(0), statement.integer(1))
        guard statement.integer(2) == rowChecksum(output, Int64(lane.rawValue), block, done), block >= 0, done >= 0
        else { return .start }
        return Cursor(block: block, done: Int(clamping: done))
    }

    func set(_ cursor: Cursor, output: Int64, _ lane: Lane) throws(SQLiteError) {
        let statement = try connection.prepare(
            "INSERT OR REPLACE INTO cursor(output,lane,block,done,crc) VALUES(?,?,?,?,?)")
        statement.bind(output, at: 1)
        statement.bind(Int64(lane.rawValue), at: 2)
        statement.bind(cursor.block, at: 3)
        statement.bind(Int64(cursor.done), at: 4)
        statement.bind(rowChecksum(output, Int64(lane.rawValue), cursor.block, Int64(cursor.done)), at: 5)
        try statement.run()
    }

    // MARK: Marks

    /// A row that is damaged is left out.
    func marks(ofOutput output: Int64) throws(SQLiteError) -> [String: Int64] {
        let statement = try connection.prepare("SELECT place,position,crc FROM mark WHERE output=?")
        statement.bind(output, at: 1)
        var marks: [String: Int64] = [:]
        while try statement.step() {
            let (place, position) = (statement.text(0), statement.integer(1))
            if statement.integer(2) == Self.checksum(ofMark: position, at: place, output) { marks[place] = position }
        }
        return marks
    }

    func set(mark position: Int64, at place: String, output: Int64) throws(SQLiteError) {
        let statement = try connection.prepare("INSERT OR REPLACE INTO mark(output,place,position,crc) VALUES(?,?,?,?)")
        statement.bind(output, at: 1)
        statement.bind(place, at: 2)
        statement.bind(position, at: 3)
        statement.bind(Self.checksum(ofMark: position, at: place, output), at: 4)
        try statement.run()
    }

    private static func checksum(ofMark position: Int64, at place: String, _ output: Int64) -> Int64 {
        rowChecksum(output, Int64(CRC32C.of(Array(place.utf8))), position)
    }

    // MARK: Replays

    /// What an output has still to send beside what is fresh, oldest first; nil where a row of it is damaged. A database that
    /// was put aside may be of a version without held ranges.
    func backlog(output: Int64, _ lane: Lane) throws(SQLiteError) -> [BacklogRange]? {
        let hasTopics =
            try connection.integer("SELECT count(*) FROM pragma_table_info('replay') WHERE name='topic'") == 1
        let statement = try connection.prepare(
            "SELECT block,done,until,state,crc,\(hasTopics ? "topic,template,events" : "'','',0") FROM replay"
                + " WHERE output=? AND lane=? ORDER BY id")
        statement.bind(output, at: 1)
        statement.bind(Int64(lane.rawValue), at: 2)
        var backlog: [BacklogRange] = []
        while try statement.step() {
            let topic = statement.text(5)
            let range = BacklogRange(
                cursor: Cursor(block: max(0, statement.integer(0)), done: Int(clamping: max(0, statement.integer(1)))),
                until: statement.integer(2), isReady: statement.integer(3) == 1,
                topic: topic.isEmpty ? nil : Topic(name: topic, template: statement.text(6)),
                events: Int(clamping: statement.integer(7)))
            guard statement.integer(4) == Self.checksum(of: range, output, lane) else { return nil }
            backlog.append(range)
        }
        return backlog
    }

    private static func checksum(of range: BacklogRange, _ output: Int64, _ lane: Lane) -> Int64 {
        let whole = [
            output, Int64(lane.rawValue), range.cursor.block, Int64(range.cursor.done), range.until,
            range.isReady ? 1 : 0,
        ]
        guard let topic = range.topic else { return rowChecksum(whole) }
        let texts = [topic.name, topic.template].map { Int64(CRC32C.of(Array($0.utf8))) }
        return rowChecksum(whole + texts + [Int64(range.events)])
    }

    /// Replaces the stored backlog of an output in a lane.
    func set(_ backlog: [BacklogRange], output: Int64, _ lane: Lane) throws(SQLiteError) {
        try connection.run("DELETE FROM replay WHERE output=? AND lane=?", output, Int64(lane.rawValue))
        for range in backlog {
            let statement = try connection.prepare(
                "INSERT INTO replay(output,lane,block,done,until,state,topic,template,events,crc) VALUES(?,?,?,?,?,?,?,?,?,?)"
            )
            statement.bind(output, at: 1)
            statement.bind(Int64(lane.rawValue), at: 2)
            statement.bind(range.cursor.block, at: 3)
            statement.bind(Int64(range.cursor.done), at: 4)
            statement.bind(range.until, at: 5)
            statement.bind(range.isReady ? 1 : 0, at: 6)
            statement.bind(range.topic?.name ?? "", at: 7)
            statement.bind(range.topic?.template ?? "", at: 8)
            statement.bind(Int64(range.events), at: 9)
            statement.bind(Self.checksum(of: range, output, lane), at: 10)
            try statement.run()
        }
    }
}
