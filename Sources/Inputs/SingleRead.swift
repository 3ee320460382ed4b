// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Logging
import MQTT
import Modbus

/// One real read of a device, apart from any polling: what `headgate read` shows.
public enum SingleRead {
    public struct Row: Sendable {
        public var point: Point
        public var reading: Reading
        public var text: String?
        /// The registers or bits as they came; empty for messages.
        public var raw: [UInt16]
        /// Why nothing came.
        public var error: ModbusError?

        public init(point: Point, reading: Reading, text: String?, raw: [UInt16], error: ModbusError? = nil) {
            self.error = error
            self.point = point
            self.reading = reading
            self.text = text
            self.raw = raw
        }
    }

    // MARK: Modbus

    /// Reads `points` of one unit. Blocks until the device has answered or the time is up.
    public static func read(
        _ settings: ModbusLinkSettings, unit: UInt8, limits: ModbusLimits, points: [Point], logger: Logger
    ) -> [Row] {
        var connection = ModbusConnection(settings, logger: logger)
        connection.usualPause = limits.pause
        let sources = points.enumerated().compactMap { place, point -> (place: Int, source: RegisterSource)? in
            if case .register(let source) = point.source { (place, source) } else { nil }
        }
        var rows: [Int: Row] = [:]
        let requests = PollPlan.requests(for: sources, limits, RequestCost(settings.endpoint))
        ask(requests, sources.map(\.source), unit, &connection) { request, answer, connection in
            for place in request.points {
                guard case .register(let source) = points[place].source else { continue }
                rows[place] = row(points[place], source, request, answer, connection)
            }
        }
        return rows.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Registers as they are, whatever they mean.
    /// - Returns: by address, those that the device has; and what it said of the last that it has not.
    public static func words(
        _ settings: ModbusLinkSettings, unit: UInt8, table: RegisterTable, span: Range<Int>, logger: Logger
    ) -> (words: [Int: UInt16], error: ModbusError?) {
        var connection = ModbusConnection(settings, logger: logger)
        let span = span.clamped(to: 0..<65_536)
        let sources = span.map { address in
            RegisterSource(
                table: table, address: UInt16(address), layout: RegisterLayout(type: .uint16), every: 1_000_000)
        }
        let whole = ReadRequest(
            table: table, address: UInt16(span.lowerBound), count: span.count, points: Array(sources.indices))
        var (words, error): ([Int: UInt16], ModbusError?) = ([:], nil)
        ask([whole], sources, unit, &connection) { request, answer, connection in
            error = answer.error ?? error
            guard answer.error == nil else { return }
            for offset in 0..<request.count { words[Int(request.address) + offset] = connection.registers[offset] }
        }
        return (words, error)
    }

    /// What a SunSpec device says that it has.
    /// - Throws: where it does not answer.
    public static func sunSpec(
        _ settings: ModbusLinkSettings, unit: UInt8, logger: Logger
    ) throws(ModbusError) -> SunSpecFound {
        var connection = ModbusConnection(settings, logger: logger)
        var search = SunSpecSearch()
        while let request = search.request {
            let answer = connection.read(request, unit: unit)
            if let error = answer.error, !error.isOfFunction, !error.isOfAddresses { throw error }
            search.take(answer.error == nil ? connection.words(of: request) : nil)
        }
        return search.found
    }

    /// Asks for everything, and for what is refused in parts.
    private static func ask(
        _ requests: [ReadRequest], _ sources: [RegisterSource], _ unit: UInt8, _ connection: inout ModbusConnection,
        _ body: (ReadRequest, ModbusConnection.Answer, borrowing ModbusConnection) -> Void
    ) {
        var requests = requests[...]
        while let request = requests.popFirst() {
            let answer = connection.read(request, unit: unit)
            if let error = answer.error, error.isOfAddresses {
                var bisection = Bisection(of: request, sources)
                let parts = bisection.refuse(request, Reason(error))
                requests = parts + requests
                if !parts.isEmpty { continue }
            }
            body(request, answer, connection)
        }
    }

    private static func row(
        _ point: Point, _ source: RegisterSource, _ request: ReadRequest, _ answer: ModbusConnection.Answer,
        _ connection: borrowing ModbusConnection
    ) -> Row {
        var batch = Batch()
        let series = SeriesNumber(raw: 0)
        if let error = answer.error {
            return Row(
                point: point, reading: .bad(series, time: answer.time, Reason(error)), text: nil, raw: [], error: error)
        }
        let words = connection.words(of: request)
        func part(_ span: Range<Int>) -> ArraySlice<UInt16> {
            words[(span.lowerBound - Int(request.address))..<(span.upperBound - Int(request.address))]
        }
        var reading = Reading(series: series, time: answer.time, value: .none)
        (reading.value, reading.quality, reading.reason) = part(source.span).withUnsafeBufferPointer {
            source.decode($0, into: &batch)
        }
        return finish(point, reading, raw: Array(part(source.own)), &batch)
    }

    private static func finish(_ point: Point, _ raw: Reading, raw words: [UInt16], _ batch: inout Batch) -> Row {
        var reading = raw
        point.interpret(&reading, texts: &batch)
        let text: String? = if case .text(let index) = reading.value { batch.text(at: index) } else { nil }
        return Row(point: point, reading: reading, text: text, raw: words)
    }

    // MARK: MQTT

    /// Listens until each of a device's topics has brought a message, at most `limit`.
    /// - Parameter settings: with a client id of its own and no session, so that the gateway is not disturbed.
    public static func listen(
        _ settings: MQTTSettings, _ device: MQTTDevice, points: [Point], limit: Duration
    ) throws(MQTTError) -> [Row] {
        let catalog = Catalog()
        var router = MessageRouter([device], catalog: catalog, collector: Discard())
        let connection = try MQTTConnection(settings)
        try connection.connect()
        let deadline = Moment.now + limit
        var hasSubscribed = false
        var rows: [String: Row] = [:]
        while Moment.now < deadline, rows.count < points.count {
            connection.wait(milliseconds: 50, forWriting: true)
            try connection.read(packets: 64)
            if case .disconnected(let reason) = connection.state { throw MQTTError(.reconnect, reason) }
            if case .connected = connection.state, !hasSubscribed {
                try connection.subscribe(router.cover.filters)
                hasSubscribed = true
            }
            for message in connection.takeMessages() {
                var batch = Batch()
                guard (try? router.route(message, arrival: MessageRouter.Arrival(), into: &batch)) != nil else {
                    continue
                }
                for reading in batch.readings {
                    guard let name = catalog.contents[reading.series]?.point,
                        let point = points.first(where: { $0.name == name })
                    else { continue }
                    rows[name] = finish(point, reading, raw: [], &batch)
                }
            }
            try connection.write()
        }
        connection.disconnect()
        return points.compactMap { rows[$0.name] }
    }

    private struct Discard: Collecting {
        func add(_ series: SeriesNumber, _ point: Point) {}
        func add(_ series: SeriesNumber, _ point: Point, _ derived: Derived, of inputs: [SeriesNumber]) {}
        func take(_ batch: inout Batch) {}
        func lose(_ events: Int, _ cause: Gap.Cause, at time: Timestamp) {}
        func takeDurably(_ batch: Batch) async -> Bool { true }
    }
}
