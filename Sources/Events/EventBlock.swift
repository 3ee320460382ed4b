// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Events of one window by columns: what lies side by side is alike, and costs little once it is compressed.
/// `deploy/block-format.md` says what is where.
///
/// Telemetry is told by columns, whatever else as the CloudEvent that it is elsewhere.
public struct EventBlock: Sendable {
    /// Events of one run of the gateway, on one lane.
    private struct Source: Hashable {
        var epoch: UInt64
        var lane: Lane
    }

    private struct Row {
        var shape: Int
        var device: Int
        var source: Int
        var sequence: UInt64
        var time: Timestamp
        var isReplayed: Bool
        var origin: Origin
        /// Where its readings begin among the cells.
        var cells: Int
    }

    private struct PointName: Hashable {
        var point: String
        var unit: String
    }

    /// What is known of a series: the number of its point's name, and the unit that it is told in.
    private struct Known {
        var name: Int
        var change: UnitChange?
    }

    private let gateway: String
    private let catalog: Catalog
    private let tags: Set<String>?
    private let units: [String: UnitChange]
    private var contents = Catalog.Contents()
    private var series: [Known] = []
    private var names = Numbered<PointName>()
    /// The points of an event, in the order of its readings.
    private var shapes = Numbered<[Int]>()

    private var sources = Numbered<Source>()
    private var devices = Numbered<DeviceNumber>()
    /// Texts, and whatever else is told in words, as JSON.
    private var words = Numbered<String>()
    private var rows: [Row] = []
    private var cells: [ValueColumn.Cell] = []
    private var others: [(source: Int, event: [UInt8])] = []
    private var textBytes = 0

    /// - Parameters:
    ///   - tags: names of those that are told; nil for all.
    ///   - units: by the unit that something is in, another that it is told in.
    public init(gateway: String, catalog: Catalog, tags: Set<String>? = nil, units: [String: UnitChange] = [:]) {
        self.gateway = gateway
        self.catalog = catalog
        self.tags = tags
        self.units = units
    }

    public var events: Int { rows.count + others.count }

    /// About what it takes, uncompressed.
    public var bytes: Int { cells.count * 16 + textBytes }

    // MARK: Filling

    /// Adds an event that columns can tell.
    /// - Returns: whether it is one.
    public mutating func add(_ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool) -> Bool {
        refresh()
        guard event.kind == .telemetry, event.origin.provenance == nil, contents[event.device] != nil,
            batch.readings[event.readings].allSatisfy({ series.indices.contains($0.series.index) })
        else { return false }
        let shape = shapes.number(of: batch.readings[event.readings].map { series[$0.series.index].name })
        rows.append(
            Row(
                shape: shape, device: devices.number(of: event.device),
                source: sources.number(of: Source(epoch: id.epoch, lane: id.lane)), sequence: id.sequence,
                time: event.time, isReplayed: isReplayed, origin: event.origin, cells: cells.count))
        for reading in batch.readings[event.readings] {
            var value = series[reading.series.index].change?.value(reading.value) ?? reading.value
            if case .text(let place) = value { value = .text(Int32(word(batch.text(at: place)))) }
            cells.append(
                ValueColumn.Cell(
                    value: value, quality: reading.quality, reason: reading.reason,
                    offset: reading.time.microseconds &- event.time.microseconds))
        }
        return true
    }

    /// Adds an event that is told as it is elsewhere.
    /// - Parameter json: a CloudEvent.
    public mutating func add(json: [UInt8], id: EventID) {
        others.append((sources.number(of: Source(epoch: id.epoch, lane: id.lane)), json))
        textBytes += json.count
    }

    private mutating func word(_ text: String) -> Int {
        var json = ByteWriter()
        json.jsonString(text)
        textBytes += json.count
        return words.number(of: String(decoding: json.bytes, as: UTF8.self))
    }

    private mutating func refresh() {
        let now = catalog.contents
        contents = now
        for one in now.series.dropFirst(series.count) {
            let change = units[one.unit]
            let name = PointName(point: one.point, unit: change?.unit ?? one.unit)
            series.append(Known(name: names.number(of: name), change: change))
        }
    }

    // MARK: Writing

    /// What the numbers of all that was added stand for, and the numbers; it is forgotten then.
    public mutating func close() -> (head: [UInt8], body: [UInt8]) {
        rows.sort {
            ($0.shape, $0.device, $0.source, $0.sequence) < ($1.shape, $1.device, $1.source, $1.sequence)
        }
        let used = rows.reduce(into: [Int]()) { if $0.last != $1.shape { $0.append($1.shape) } }
        var columns = ByteWriter()
        writeRows(used, to: &columns)
        for shape in used { writeCells(of: shape, to: &columns) }
        // Columns have added to the words.
        let head = head(used)
        columns.list(others) { out, other in
            out.varint(UInt64(other.source))
            out.varint(UInt64(other.event.count))
            out.raw(other.event)
        }
        rows.removeAll(keepingCapacity: true)
        cells.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        textBytes = 0
        (sources, devices, words, shapes) = (Numbered(), Numbered(), Numbered(), Numbered())
        return (head, columns.bytes)
    }

    /// What the numbers stand for, as JSON.
    private func head(_ used: [Int]) -> [UInt8] {
        var out = ByteWriter()
        out.text("[")
        out.json(sources.all) { out, source in
            out.jsonString(EventJSON.source(gateway, source.epoch, source.lane))
        }
        out.text(",")
        out.json(devices.all) { out, number in
            out.text("{")
            out.raw(EventJSON.subject(contents[number] ?? .damaged, of: gateway, tags))
            out.text("}")
        }
        out.text(",")
        out.json(words.all) { $0.raw($1.utf8) }
        // Events with some points each, as filters leave them, have many shapes of few points.
        var points = Numbered<Int>()
        let told = used.map { shapes.all[$0].map { points.number(of: $0) } }
        out.text(",")
        out.json(points.all) { out, name in
            out.text(#"{"point":"#)
            out.jsonString(names.all[name].point)
            if !names.all[name].unit.isEmpty { out.member("unit", names.all[name].unit) }
            out.text("}")
        }
        out.text(",")
        out.json(told) { out, shape in out.json(shape) { $0.decimal(Int64($1)) } }
        out.text("]")
        return out.bytes
    }

    /// Which row is whose, and when.
    private mutating func writeRows(_ used: [Int], to out: inout ByteWriter) {
        var runs: [(row: Row, count: Int)] = []
        for row in rows {
            if let last = runs.last?.row, (last.shape, last.device, last.source) == (row.shape, row.device, row.source)
            {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((row, 1))
            }
        }
        out.list(runs) { out, run in
            out.varint(UInt64(used.firstIndex(of: run.row.shape) ?? 0))
            out.varint(UInt64(run.row.device))
            out.varint(UInt64(run.row.source))
            out.varint(UInt64(run.count))
        }
        let ticks: [Int64] = [1_000_000, 1_000]
        let tick = ticks.first { tick in rows.allSatisfy { $0.time.microseconds % tick == 0 } } ?? 1
        out.varint(UInt64(tick))
        var starts: Set<Int> = []
        _ = runs.reduce(0) { start, run in
            starts.insert(start)
            return start + run.count
        }
        out.changes(of: rows.map { Int64(bitPattern: $0.sequence) }, starts)
        out.changes(of: rows.map { $0.time.microseconds / tick }, starts)
        out.differences(of: rows.map { Int64($0.origin.uncertainty) })
        out.differences(of: rows.map { Int64(words.number(of: Self.flags(of: $0))) })
    }

    /// What else is said of an event, as JSON.
    private static func flags(of row: Row) -> String {
        var flags: [String] = []
        if row.origin.clock != .good { flags.append(#""clock":"\#(row.origin.clock.name)""#) }
        if row.origin.isRedelivered { flags.append(#""redelivered":true"#) }
        if row.origin.isTimeRefused { flags.append(#""device_time":"refused""#) }
        if row.isReplayed { flags.append(#""replayed":true"#) }
        return "{" + flags.joined(separator: ",") + "}"
    }

    private mutating func writeCells(of shape: Int, to out: inout ByteWriter) {
        let own = rows.filter { $0.shape == shape }
        for place in shapes.all[shape].indices {
            let column = ValueColumn(own.map { cells[$0.cells + place] })
            column.write(to: &out, words: &words)
        }
    }
}

/// Things by the order in which they first came.
struct Numbered<Element: Hashable & Sendable>: Sendable {
    private(set) var all: [Element] = []
    private var numbers: [Element: Int] = [:]

    mutating func number(of element: Element) -> Int {
        if let known = numbers[element] { return known }
        numbers[element] = all.count
        all.append(element)
        return all.count - 1
    }
}

extension ByteWriter {
    mutating func json<Element>(_ elements: [Element], _ write: (inout ByteWriter, Element) -> Void) {
        byte(UInt8(ascii: "["))
        for (place, element) in elements.enumerated() {
            if place > 0 { byte(UInt8(ascii: ",")) }
            write(&self, element)
        }
        byte(UInt8(ascii: "]"))
    }

    mutating func list<Element>(_ elements: [Element], _ write: (inout ByteWriter, Element) -> Void) {
        varint(UInt64(elements.count))
        for element in elements { write(&self, element) }
    }

    /// Each as it differs from the one before.
    mutating func differences(of numbers: [Int64]) {
        var last: Int64 = 0
        for number in numbers {
            zigzag(number &- last)
            last = number
        }
    }

    /// Each as its step differs from the step before; where a run starts, as it differs from the start before.
    mutating func changes(of numbers: [Int64], _ starts: Set<Int>) {
        var (start, last, step): (Int64, Int64, Int64) = (0, 0, 0)
        for (place, number) in numbers.enumerated() {
            if starts.contains(place) {
                zigzag(number &- start)
                start = number
            } else {
                zigzag(number &- last &- step)
                step = number &- last
            }
            last = number
        }
    }
}
