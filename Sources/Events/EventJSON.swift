// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

/// Events as JSON, written by hand: an encoder that walks types costs twenty times as much, on every event.
///
/// Keeps what is said about each device and series as ready bytes. CloudEvents 1.0.2, JSON format 1.0.2.
public struct EventJSON: Sendable {
    private let gateway: String
    private let catalog: Catalog
    private(set) var contents = Catalog.Contents()
    private var devices: [[UInt8]] = []
    /// What stands around a good value; with another quality less of it follows.
    private var series: [(head: [UInt8], tail: [UInt8])] = []
    /// By the unit that something is in, where it is told in another.
    let units: [String: UnitChange]

    /// Names of the tags that are told; nil for all.
    private let tags: Set<String>?

    public init(
        gateway: String, catalog: Catalog, tags: Set<String>? = nil, units: [String: UnitChange] = [:]
    ) {
        self.tags = tags
        self.gateway = gateway
        self.catalog = catalog
        self.units = units
    }

    /// The other unit that a series is told in.
    func change(_ series: SeriesNumber) -> UnitChange? {
        units.isEmpty ? nil : contents[series].flatMap { units[$0.unit] }
    }

    /// A whole CloudEvent in structured mode.
    public mutating func writeEnvelope(
        _ event: Batch.Event, of batch: Batch, id: EventID, isReplayed: Bool, to out: inout ByteWriter
    ) {
        out.text(#"{"specversion":"1.0","id":""#)
        out.raw(self.id(id).utf8)
        out.text(#"","source":""#)
        out.raw(source(of: event).utf8)
        out.text(#"","type":""#)
        out.raw(event.kind.type.utf8)
        out.text(#"","subject":""#)
        out.raw(subject(of: event).utf8)
        out.text(#"","time":""#)
        event.time.write(to: &out)
        out.text(#"","datacontenttype":"application/json","data":"#)
        writeData(event, of: batch, isReplayed: isReplayed, to: &out)
        out.byte(UInt8(ascii: "}"))
    }

    /// The `data` alone, as Kafka's binary mode carries it.
    public mutating func writeData(
        _ event: Batch.Event, of batch: Batch, isReplayed: Bool, to out: inout ByteWriter
    ) {
        refresh()
        out.byte(UInt8(ascii: "{"))
        if devices.indices.contains(event.device.index) {
            out.raw(devices[event.device.index])
        } else {
            out.text(#""gateway":"#)
            out.jsonString(gateway)
        }
        switch event.detail {
        case .telemetry: writeReadings(event, of: batch, to: &out)
        case .status(let status): write(status, to: &out)
        case .gap(let gap): write(gap, to: &out)
        case .write(let attempt): write(attempt, event.device, to: &out)
        case .alarm(let alarm):
            write(alarm, to: &out)
            writeReadings(event, of: batch, to: &out)
        case .aggregate(let aggregate): write(aggregate, event.readings, of: batch, to: &out)
        }
        write(event.origin, to: &out)
        if isReplayed { out.text(#","replayed":true"#) }
        out.byte(UInt8(ascii: "}"))
    }

    // MARK: Attributes

    public func id(_ id: EventID) -> String {
        "\(Self.source(gateway, id.epoch, id.lane))/\(id.sequence)"
    }

    /// What the ids of a run of the gateway have in common on a lane.
    static func source(_ gateway: String, _ epoch: UInt64, _ lane: Lane) -> String {
        "\(gateway)/\(String(epoch, radix: 16, padded: 16))/\(lane.name)"
    }

    public mutating func source(of event: Batch.Event) -> String {
        refresh()
        guard let device = contents[event.device] else { return "/gateways/\(gateway)" }
        return "/gateways/\(gateway)/devices/\(device.id)"
    }

    /// The device, or for what concerns none of them the gateway.
    public mutating func subject(of event: Batch.Event) -> String {
        refresh()
        return contents[event.device]?.id ?? gateway
    }

    // MARK: Data

    private func writeReadings(_ event: Batch.Event, of batch: Batch, to out: inout ByteWriter) {
        out.text(#","readings":["#)
        for position in event.readings {
            if position > event.readings.lowerBound { out.byte(UInt8(ascii: ",")) }
            write(batch.readings[position], of: batch, event, to: &out)
        }
        out.byte(UInt8(ascii: "]"))
    }

    private func write(_ reading: Reading, of batch: Batch, _ event: Batch.Event, to out: inout ByteWriter) {
        guard series.indices.contains(reading.series.index) else {
            out.text("null")
            return
        }
        let names = series[reading.series.index]
        out.raw(names.head)
        out.json(change(reading.series)?.value(reading.value) ?? reading.value, of: batch)
        if reading.quality == .good {
            out.raw(names.tail)
        } else {
            out.raw(names.tail.dropLast(Quality.good.name.utf8CodeUnitCount + 1))
            out.text(reading.quality.name)
            out.byte(UInt8(ascii: "\""))
        }
        if reading.reason != .none {
            out.text(#","reason":""#)
            out.text(reading.reason.name)
            out.byte(UInt8(ascii: "\""))
        }
        if reading.time != event.time {
            out.text(#","time":""#)
            reading.time.write(to: &out)
            out.byte(UInt8(ascii: "\""))
        }
        // What causes an alarm may be of another device.
        if event.kind == .alarm, let device = contents[reading.series]?.device, device != event.device,
            let other = contents[device]
        {
            out.member("device", other.id)
        }
        out.byte(UInt8(ascii: "}"))
    }

    private func write(_ status: StatusChange, to out: inout ByteWriter) {
        out.text(#","state":""#)
        out.text(status.state.name)
        out.text(#"","since":""#)
        status.since.write(to: &out)
        out.byte(UInt8(ascii: "\""))
        if status.reason != .none {
            out.text(#","reason":""#)
            out.text(status.reason.name)
            out.byte(UInt8(ascii: "\""))
            if let code = status.reason.code { out.member("code", code.description) }
        }
    }

    private func write(_ gap: Gap, to out: inout ByteWriter) {
        out.text(#","cause":""#)
        out.text(gap.cause.name)
        out.byte(UInt8(ascii: "\""))
        if let code = gap.cause.code { out.member("code", code.description) }
        out.text(#","lane":""#)
        out.raw(gap.lane.name.utf8)
        out.text(#"","first":"#)
        out.decimal(gap.first)
        out.text(#","last":"#)
        out.decimal(gap.last)
        out.text(#","count":"#)
        out.decimal(gap.count)
        out.text(#","since":""#)
        gap.since.write(to: &out)
        out.text(#"","until":""#)
        gap.until.write(to: &out)
        out.text(#"","outputs":["#)
        for (index, output) in gap.outputs.enumerated() {
            if index > 0 { out.byte(UInt8(ascii: ",")) }
            out.jsonString(output)
        }
        out.byte(UInt8(ascii: "]"))
    }

    private func write(_ attempt: WriteAttempt, _ device: DeviceNumber, to out: inout ByteWriter) {
        // It may have been asked of one that there is not.
        if contents[device] == nil { out.member("device", attempt.device) }
        let attempt = contents.told(attempt, of: device, units)
        out.member("write", attempt.id)
        out.member("point", attempt.point)
        if !attempt.unit.isEmpty { out.member("unit", attempt.unit) }
        out.text(#","value":"#)
        out.raw(attempt.value.utf8)
        out.text(#","phase":""#)
        out.text(attempt.phase.name)
        out.byte(UInt8(ascii: "\""))
        if !attempt.reason.isEmpty { out.member("reason", attempt.reason) }
        if let code = attempt.code { out.member("code", code.description) }
        if !attempt.found.isEmpty {
            out.text(#","found":"#)
            out.raw(attempt.found.utf8)
        }
        out.member("by", attempt.by)
        out.text(#","deadline":""#)
        attempt.deadline.write(to: &out)
        out.byte(UInt8(ascii: "\""))
    }

    private func write(_ origin: Origin, to out: inout ByteWriter) {
        if origin.uncertainty > 0 {
            out.text(#","time_uncertainty_us":"#)
            out.decimal(Int64(origin.uncertainty))
        }
        if origin.clock != .good {
            out.text(#","clock":""#)
            out.text(origin.clock.name)
            out.byte(UInt8(ascii: "\""))
        }
        if origin.isRedelivered { out.text(#","redelivered":true"#) }
        if origin.isTimeRefused { out.text(#","device_time":"refused""#) }
        if let provenance = origin.provenance { write(provenance, to: &out) }
    }

    private func write(_ provenance: Provenance, to out: inout ByteWriter) {
        out.member("map_hash", provenance.mapHash)
        out.text(#","raw":["#)
        for (place, span) in provenance.spans.enumerated() {
            out.text(place == 0 ? #"{"address":"# : #",{"address":"#)
            out.decimal(Int64(span.address))
            out.member("table", span.table)
            out.text(#","words":["#)
            for (index, word) in span.words.enumerated() {
                if index > 0 { out.byte(UInt8(ascii: ",")) }
                out.decimal(Int64(word))
            }
            out.text("]}")
        }
        out.byte(UInt8(ascii: "]"))
    }

    // MARK: Ready bytes

    private mutating func refresh() {
        let now = catalog.contents
        guard now.devices.count > devices.count || now.series.count > series.count else { return }
        contents = now
        for device in now.devices[devices.count...] { devices.append(Self.subject(device, of: gateway, tags)) }
        for one in now.series[series.count...] { series.append(ready(one)) }
    }

    /// What is said of a device in each of its events.
    static func subject(_ device: Device, of gateway: String, _ tags: Set<String>?) -> [UInt8] {
        var out = ByteWriter()
        out.text(#""gateway":"#)
        out.jsonString(gateway)
        out.text(#","device":"#)
        out.jsonString(device.id)
        out.text(#","map":"#)
        out.jsonString(device.map)
        out.text(#","map_version":"#)
        out.decimal(Int64(device.mapVersion))
        let told = device.told(tags)
        if !told.isEmpty {
            out.text(#","tags":{"#)
            for (index, tag) in told.enumerated() {
                if index > 0 { out.byte(UInt8(ascii: ",")) }
                out.jsonString(tag.name)
                out.byte(UInt8(ascii: ":"))
                out.jsonString(tag.value)
            }
            out.byte(UInt8(ascii: "}"))
        }
        return out.bytes
    }

    private func ready(_ series: Series) -> (head: [UInt8], tail: [UInt8]) {
        var head = ByteWriter()
        head.text(#"{"point":"#)
        head.jsonString(series.point)
        head.text(#","value":"#)
        var tail = ByteWriter()
        if !series.unit.isEmpty {
            tail.text(#","unit":"#)
            tail.jsonString(units[series.unit]?.unit ?? series.unit)
        }
        tail.text(#","quality":""#)
        tail.text(Quality.good.name)
        tail.byte(UInt8(ascii: "\""))
        return (head.bytes, tail.bytes)
    }
}

extension ByteWriter {
    public mutating func json(_ value: Value, of batch: Batch) {
        switch value {
        case .none: text("null")
        case .integer(let value): decimal(value)
        case .unsigned(let value): raw(String(value).utf8)
        case .boolean(let value): text(value ? "true" : "false")
        case .text(let index): jsonString(batch.text(at: index))
        // JSON has no infinities and no NaN; none should come this far.
        case .number(let value): value.isFinite ? raw(value.description.utf8) : text("null")
        case .single(let value): value.isFinite ? raw(value.description.utf8) : text("null")
        }
    }

    /// A further member of an object.
    mutating func member(_ name: StaticString, _ value: String) {
        text(#",""#)
        text(name)
        text(#"":"#)
        jsonString(value)
    }

    /// A quoted string (RFC 8259, 7).
    public mutating func jsonString(_ string: String) {
        byte(UInt8(ascii: "\""))
        for unit in string.utf8 {
            switch unit {
            case UInt8(ascii: "\""): text(#"\""#)
            case UInt8(ascii: "\\"): text(#"\\"#)
            case 0x0A: text(#"\n"#)
            case 0x0D: text(#"\r"#)
            case 0x09: text(#"\t"#)
            case 0..<0x20:
                text(#"\u00"#)
                raw(String(unit, radix: 16, padded: 2).utf8)
            default: byte(unit)
            }
        }
        byte(UInt8(ascii: "\""))
    }
}

extension String {
    /// A number with zeros before it, up to `padded` digits.
    public init(_ value: some BinaryInteger, radix: Int, padded: Int) {
        let digits = String(value, radix: radix)
        self.init(repeating: "0", count: Swift.max(0, padded - digits.utf8.count))
        self += digits
    }
}
