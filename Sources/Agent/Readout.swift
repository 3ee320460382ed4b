// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Inputs
import Logging
import MQTT
import Modbus
import Schemas

/// One real read of a configured device.
public struct Readout {
    private let configuration: Configuration
    private let device: Configuration.ConfiguredDevice
    private let points: [Point]

    /// A SunSpec device is asked at once what it has.
    /// - Parameter wanted: names of points; all where there are none.
    public init(_ configuration: Configuration, device name: String, points wanted: [String]) throws {
        self.configuration = configuration
        guard var device = configuration.devices.first(where: { $0.name == name }) else {
            throw StartError(
                .unknownDevice,
                "\(name) is not a device of the configuration; the devices are \(configuration.devices.map(\.name).joined(separator: ", "))"
            )
        }
        if case .sunSpec = device.map.form { device.map.points = try Self.sunSpec(device, configuration) }
        self.device = device
        for point in wanted where !device.map.points.contains(where: { $0.name == point }) {
            throw StartError(
                .unknownPoint,
                "the map \(device.map.name) has no point \(point); its points are "
                    + device.map.points.map(\.name).joined(separator: ", "))
        }
        points = wanted.isEmpty ? device.map.points : device.map.points.filter { wanted.contains($0.name) }
    }

    /// What a SunSpec device says now that it has.
    private static func sunSpec(
        _ device: Configuration.ConfiguredDevice, _ configuration: Configuration
    ) throws -> [Point] {
        guard let link = configuration.links.first(where: { $0.name == device.link }),
            case .unit(let unit) = device.address
        else { return [] }
        let found = try SingleRead.sunSpec(try settings(of: link, device.name), unit: unit, logger: .silent)
        guard let map = SunSpecMaps.map(of: device.name, found)?.map else {
            throw StartError(
                .sunSpecModelsUnknown,
                found.models.isEmpty
                    ? "\(device.name) responds, but has no SunSpec models: write a map for it"
                    : "\(device.name) has only SunSpec models that are unknown here: headgate scan \(link.name) shows its registers"
            )
        }
        return map.points
    }

    /// - Parameter patience: how long to listen for messages; a Modbus link has its own timeout.
    private func read(patience: Duration) throws -> [SingleRead.Row] {
        let inputs = Set(points.flatMap { $0.derived?.program.inputs.map(\.point) ?? [] })
        let wanted = Set(points.map(\.name))
        let read = device.map.points.filter {
            $0.derived == nil && (wanted.contains($0.name) || inputs.contains($0.name))
        }
        let rows = try self.read(read, patience: patience)
        return points.compactMap { point in
            guard let derived = point.derived else { return rows.first { $0.point.name == point.name } }
            let inputs = derived.program.inputs.map { input in rows.first { $0.point.name == input.point }?.reading }
            let reading = derived.reading(SeriesNumber(raw: 0), within: point.range) { inputs[$0] }
            return reading.map { SingleRead.Row(point: point, reading: $0, text: nil, raw: []) }
        }
    }

    private func read(_ points: [Point], patience: Duration) throws -> [SingleRead.Row] {
        guard let link = configuration.links.first(where: { $0.name == device.link }) else {
            throw StartError(
                .deviceNotReadable,
                "\(device.name) has derived points only: headgate status and headgate tail show them")
        }
        switch (link.way, device.map.form, device.address) {
        case (.modbus, _, .unit(let unit)):
            let settings = try Self.settings(of: link, device.name)
            let limits = device.map.form.limits ?? ModbusLimits()
            return SingleRead.read(settings, unit: unit, limits: limits, points: points, logger: .silent)
        case (.mqtt(let broker, _, _), .mqtt(let form), .topic(let topic)):
            var settings = try broker.revealed()
            settings.clientID += "-read-\(UInt32.random(in: 0...UInt32.max))"
            settings.sessionExpiry = nil
            let listened = MQTTDevice(name: device.name, topic: topic, map: device.map, form: form, tags: device.tags)
            return try SingleRead.listen(settings, listened, points: points, limit: patience)
        default:
            throw StartError(
                .deviceNotReadable,
                "\(device.name) is an edge node and cannot be polled: headgate status and headgate tail show what it publishes"
            )
        }
    }

    private static func settings(
        of link: Configuration.Link, _ device: String
    ) throws(StartError) -> ModbusLinkSettings {
        guard case .modbus(let endpoint, let timeout) = link.way else {
            throw StartError(.wrongLinkProtocol, "\(link.name) is not a Modbus link")
        }
        guard !endpoint.isDialIn else {
            throw StartError(
                .notADialedLink, "\(device) connects to the running gateway: headgate status shows its readings")
        }
        var settings = ModbusLinkSettings(name: link.name, endpoint: endpoint, timeout: timeout, devices: [])
        settings.answersAs = link.answersAs
        return settings
    }

    /// Every way to read each point's registers, the likeliest first.
    public func decodings() throws -> [RawDecodings] {
        guard let link = configuration.links.first(where: { $0.name == device.link }),
            case .unit(let unit) = device.address
        else {
            throw StartError(
                .deviceNotReadable, "\(device.name) is not a Modbus device: --raw is only for registers")
        }
        let settings = try Self.settings(of: link, device.name)
        return try points.compactMap { point in
            guard case .register(let source) = point.source, !source.table.holdsBits else { return nil }
            let own = Int(source.address)
            let (words, error) = SingleRead.words(
                settings, unit: unit, table: source.table, span: (own - 1)..<(own + 5), logger: .silent)
            if words.isEmpty, let error { throw error }
            return RawDecodings(
                point, source, RawDecoding.all(of: point, source, words: words),
                text: Self.text(source, words, settings, unit))
        }
    }

    /// The registers of a text at a point's address; nil if they hold no text.
    private static func text(
        _ source: RegisterSource, _ words: [Int: UInt16], _ settings: ModbusLinkSettings, _ unit: UInt8
    ) -> [UInt16]? {
        let own = Int(source.address)
        let first = (own..<(own + 2)).compactMap { words[$0] }
        // What may be the beginning of one: as long as most texts are, the rest is worth a request.
        guard first.count == 2, first.allSatisfy({ $0 >= 0x2020 && $0 & 0x8080 == 0 }) else { return nil }
        let more = SingleRead.words(
            settings, unit: unit, table: source.table, span: own..<(own + mostText), logger: .silent
        ).words
        let found = Array((own..<(own + mostText)).lazy.map { more[$0] }.prefix { $0 != nil }.compactMap(\.self))
        return TextSearch.length(atStartOf: found).map { Array(found.prefix($0)) }
    }

    /// Registers.
    private static let mostText = 32

    /// As `headgate read` shows it.
    public func rows(patience: Duration) throws -> [ReadoutRow] {
        let way = configuration.links.first { $0.name == device.link }?.way
        let endpoint: ModbusEndpoint? = if case .modbus(let endpoint, _) = way { endpoint } else { nil }
        return try read(patience: patience).map { ReadoutRow($0, at: endpoint) }
    }
}

/// One point as it was read.
public struct ReadoutRow: Encodable {
    public var point: String
    public var value: JSONDocument
    public var unit: String
    public var quality: String
    public var reason: String?
    /// The code of the reason.
    public var code: String?
    public var time: String
    /// The registers in hexadecimal, or the bits.
    public var raw: String
    /// Of a point that could not be read: why, with the number of an exception, and what to do about it.
    public var explanation: String?
    public var next: String?

    /// The value as a person reads it: a text without quotes.
    public var shown: String { value == .null ? "" : value.asString ?? value.text }

    init(_ row: SingleRead.Row, at endpoint: ModbusEndpoint?) {
        explanation = row.error.map { "\($0)" }
        next = endpoint.flatMap { row.error?.advice(at: $0) }
        point = row.point.name
        value = JSONDocument(row.reading.value, text: row.text)
        unit = row.point.sentUnit
        quality = "\(row.reading.quality.name)"
        reason = row.reading.reason == .none ? nil : "\(row.reading.reason.name)"
        code = row.reading.reason.code?.description
        time = row.reading.time.iso8601
        raw = row.raw.map { "0x" + String($0, radix: 16, padded: 4) }.joined(separator: " ")
    }
}

/// The ways to read one point's registers.
public struct RawDecodings: Encodable {
    public struct Way: Encodable {
        public var address: Int
        public var type: String
        public var order: String
        public var raw: String
        /// Nil of a text.
        public var value: Double?
        public var text: String?
        public var score: Int
        /// Whether the map has it so.
        public var matchesMap: Bool
    }

    public var point: String
    public var table: String
    public var unit: String
    /// The likeliest first.
    public var ways: [Way]

    init(_ point: Point, _ source: RegisterSource, _ decodings: [RawDecoding], text: [UInt16]?) {
        self.point = point.name
        table = source.table.rawValue
        unit = point.unit
        ways = decodings.map { one in
            Way(
                address: one.address, type: one.type.rawValue, order: one.order.rawValue,
                raw: Self.hexadecimal(one.words), value: one.value, score: one.score,
                matchesMap: one.address == Int(source.address) && one.type == source.layout.type
                    && (one.order == source.layout.order
                        || one.type.registers == 1 && one.order.swapsBytes == source.layout.order.swapsBytes)
            )
        }
        guard let text, let shown = TextLayout().text(text) else { return }
        let matchesMap = source.layout.type == .string && source.layout.length == text.count
        ways.insert(
            Way(
                address: Int(source.address), type: "string, length \(text.count)", order: "ABCD",
                raw: Self.hexadecimal(text), text: shown, score: 100, matchesMap: matchesMap), at: 0)
    }

    private static func hexadecimal(_ words: [UInt16]) -> String {
        words.map { "0x" + String($0, radix: 16, padded: 4) }.joined(separator: " ")
    }
}
