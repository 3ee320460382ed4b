// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Events as Avro's binary form (Avro 1.11, "Binary Encoding"), by the records that `RecordSchema` describes.
///
/// Telemetry of a map has a field a point. It holds the value where that is good and was read at the event's time; whatever
/// else a reading says stands in `readings`, so that who looks at the fields alone never takes a doubtful value for a good
/// one. Of devices without such a map everything stands there.
public struct EventAvro: Sendable {
    /// What is known of a series.
    private struct Known {
        /// Its place among the fields of its device's map.
        var field: Int?
        var change: UnitChange?
        /// The point, and its unit, as they are written.
        var point: [UInt8]
        var unit: [UInt8]
    }

    private let gateway: String
    private let catalog: Catalog
    private let tags: Set<String>?
    private let units: [String: UnitChange]
    private let fields: [String: [PointField]]
    private(set) var contents = Catalog.Contents()
    private var devices: [[UInt8]] = []
    private var series: [Known] = []
    /// By field of the event's map, the reading that it holds; kept from event to event for its room.
    private var held: [Int] = []
    /// Readings that no field holds.
    private var others: [Int] = []

    /// - Parameters:
    ///   - fields: by map, in the order of its record.
    ///   - tags: names of those that are told; nil for all.
    ///   - units: by the unit that something is in, another that it is told in.
    public init(
        gateway: String, catalog: Catalog, fields: [String: [PointField]], tags: Set<String>? = nil,
        units: [String: UnitChange] = [:]
    ) {
        self.tags = tags
        self.gateway = gateway
        self.catalog = catalog
        self.fields = fields
        self.units = units
    }

    // MARK: Names

    /// The full name of the record of an event.
    /// - Parameter map: nil where it is one of the gateway's own records.
    public static func record(of kind: EventKind, map: String?) -> String {
        map.map { "headgate.telemetry.\(name($0))" } ?? "headgate.events.\(kind.name)"
    }

    /// As Avro allows names: letters, digits and `_`, and no digit first.
    public static func name(_ text: String) -> String {
        let plain = text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        return (plain.first?.isNumber ?? true ? "_" : "") + String(plain)
    }

    /// The map whose record an event is written by; nil where it is one of the gateway's own records.
    public mutating func map(of event: Batch.Event) -> String? {
        refresh()
        guard event.kind == .telemetry, let map = contents[event.device]?.map, fields[map] != nil else { return nil }
        return map
    }

    /// - Parameter id: as `EventJSON` gives it.
    public mutating func write(
        _ event: Batch.Event, of batch: Batch, id: String, isReplayed: Bool, to out: inout ByteWriter
    ) {
        refresh()
        out.avro(id)
        if event.kind == .telemetry, devices.indices.contains(event.device.index) {
            out.raw(devices[event.device.index])
        } else {
            writeSubject(event, to: &out)
        }
        out.avro(event.time)
        out.avro(isReplayed)
        write(event.origin, to: &out)
        switch event.detail {
        case .telemetry: writeTelemetry(event, of: batch, to: &out)
        case .status(let status): Self.write(status, to: &out)
        case .gap(let gap): Self.write(gap, to: &out)
        case .write(let attempt): Self.write(contents.told(attempt, of: event.device, units), to: &out)
        case .alarm(let alarm):
            Self.write(alarm, to: &out)
            writeEvidence(alarm.evidence, to: &out)
            writeReadings(Array(event.readings), event, of: batch, to: &out)
        case .aggregate(let aggregate): write(aggregate, event.readings, of: batch, to: &out)
        }
    }

    // MARK: Telemetry

    private mutating func writeTelemetry(_ event: Batch.Event, of batch: Batch, to out: inout ByteWriter) {
        let fields = contents[event.device].flatMap { self.fields[$0.map] } ?? []
        sort(event, of: batch, fields)
        for (place, position) in held.enumerated() {
            guard position >= 0 else {
                out.byte(0)
                continue
            }
            out.byte(2)
            let reading = batch.readings[position]
            write(told(reading), as: fields[place].form, of: batch, to: &out)
        }
        writeReadings(others, event, of: batch, to: &out)
    }

    /// What goes into its field, and what does not.
    private mutating func sort(_ event: Batch.Event, of batch: Batch, _ fields: [PointField]) {
        others.removeAll(keepingCapacity: true)
        held.removeAll(keepingCapacity: true)
        held.append(contentsOf: repeatElement(-1, count: fields.count))
        for position in event.readings {
            let reading = batch.readings[position]
            guard reading.quality == .good, reading.time == event.time, series.indices.contains(reading.series.index),
                let place = series[reading.series.index].field, held[place] < 0, fields[place].holds(told(reading))
            else {
                others.append(position)
                continue
            }
            held[place] = position
        }
    }

    @inline(__always)
    private func told(_ reading: Reading) -> Value {
        guard !units.isEmpty, series.indices.contains(reading.series.index) else { return reading.value }
        return series[reading.series.index].change?.value(reading.value) ?? reading.value
    }

    private func write(_ value: Value, as form: PointField.Form, of batch: Batch, to out: inout ByteWriter) {
        switch (form, value) {
        case (.integer, .number(let number)): out.zigzag(Int64(exactly: number) ?? 0)
        case (.number, .integer(let integer)): out.avro(Double(integer))
        case (.number, .single(let number)): out.avro(Double(number))
        default: out.avro(value, of: batch)
        }
    }

    private func writeReadings(_ positions: [Int], _ event: Batch.Event, of batch: Batch, to out: inout ByteWriter) {
        if !positions.isEmpty {
            out.zigzag(Int64(positions.count))
            for position in positions { write(batch.readings[position], event, of: batch, to: &out) }
        }
        out.byte(0)
    }

    private func write(_ reading: Reading, _ event: Batch.Event, of batch: Batch, to out: inout ByteWriter) {
        if series.indices.contains(reading.series.index) {
            out.raw(series[reading.series.index].point)
            out.raw(series[reading.series.index].unit)
        } else {
            out.avro("")
            out.avro("")
        }
        out.avroUnion(told(reading), of: batch)
        out.avro(reading.quality)
        out.avro(optional: reading.reason == .none ? nil : reading.reason.name)
        if reading.time == event.time {
            out.byte(0)
        } else {
            out.byte(2)
            out.avro(reading.time)
        }
        // What causes an alarm may be of another device.
        let device = contents[reading.series].flatMap { $0.device == event.device ? nil : contents[$0.device]?.id }
        out.avro(optional: device)
    }

    private func writeEvidence(_ evidence: [Alarm.Evidence], to out: inout ByteWriter) {
        if !evidence.isEmpty { out.zigzag(Int64(evidence.count)) }
        for one in evidence {
            let told = contents.told(one, units)
            out.avro(contents[one.series]?.point ?? "")
            out.avro(optional: told.unit.isEmpty ? nil : told.unit)
            out.avro(one.detector)
            for number in [one.score, told.mean, told.deviation] { out.avro(number) }
            out.zigzag(Int64(one.readings))
        }
        out.byte(0)
    }

    private func write(_ aggregate: Aggregate, _ readings: Range<Int>, of batch: Batch, to out: inout ByteWriter) {
        out.avro(aggregate.window)
        out.avro(aggregate.from)
        out.avro(aggregate.to)
        out.avro(aggregate.isPartial)
        let count = aggregate.points(of: readings)
        if count > 0 { out.zigzag(Int64(count)) }
        for point in 0..<count {
            let first = readings.lowerBound + point * aggregate.figures.count
            let figures = batch.readings[first..<first + aggregate.figures.count]
            guard let number = figures.first?.series, series.indices.contains(number.index) else {
                for _ in 0..<3 { out.byte(0) }
                continue
            }
            let known = series[number.index]
            out.raw(known.point)
            out.raw(known.unit)
            out.zigzag(Int64(figures.count))
            for (figure, reading) in zip(aggregate.figures, figures) {
                out.avro(figure.name)
                out.avroUnion(known.change?.value(reading.value, of: figure) ?? reading.value, of: batch)
            }
            out.byte(0)
        }
        out.byte(0)
    }

    // MARK: Head

    /// Of what need not be of a device that the catalog knows.
    private func writeSubject(_ event: Batch.Event, to out: inout ByteWriter) {
        out.avro(gateway)
        guard let device = contents[event.device] else {
            var asked: String?
            if case .write(let attempt) = event.detail { asked = attempt.device }
            out.avro(optional: asked)
            for _ in 0..<3 { out.byte(0) }
            return
        }
        out.avro(optional: device.id)
        out.avro(optional: device.map)
        out.byte(2)
        out.zigzag(Int64(device.mapVersion))
        out.avro(device.told(tags))
    }

    private func write(_ origin: Origin, to out: inout ByteWriter) {
        out.zigzag(Int64(origin.uncertainty))
        out.zigzag(Int64(origin.clock.rawValue))
        out.avro(origin.isRedelivered)
        out.avro(origin.isTimeRefused)
        guard let provenance = origin.provenance else {
            out.byte(0)
            return
        }
        out.byte(2)
        out.avro(provenance.mapHash)
        if !provenance.spans.isEmpty { out.zigzag(Int64(provenance.spans.count)) }
        for span in provenance.spans {
            out.avro(span.table)
            out.zigzag(Int64(span.address))
            if !span.words.isEmpty { out.zigzag(Int64(span.words.count)) }
            for word in span.words { out.zigzag(Int64(word)) }
            out.byte(0)
        }
        out.byte(0)
    }

    /// Takes up what the catalog has learnt since.
    private mutating func refresh() {
        let now = catalog.contents
        guard now.devices.count > devices.count || now.series.count > series.count else { return }
        contents = now
        for device in now.devices[devices.count...] {
            var ready = ByteWriter()
            ready.avro(gateway)
            ready.avro(device.id)
            ready.avro(device.map)
            ready.zigzag(Int64(device.mapVersion))
            ready.avro(device.told(tags))
            devices.append(ready.bytes)
        }
        for one in now.series[series.count...] { series.append(known(one)) }
    }

    private func known(_ one: Series) -> Known {
        let change = units[one.unit]
        let unit = change?.unit ?? one.unit
        // Of another version of its map a point may have been something else.
        let field = contents[one.device].flatMap { fields[$0.map] }?
            .firstIndex { $0.point == one.point && $0.unit == unit }
        var (point, written) = (ByteWriter(), ByteWriter())
        point.avro(one.point)
        written.avro(optional: unit.isEmpty ? nil : unit)
        return Known(field: field, change: change, point: point.bytes, unit: written.bytes)
    }
}
