// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Sparkplug
import Synchronization

/// The metrics of an edge node of Sparkplug B (Sparkplug 3.0.0): which there are, of which type, and the number that stands
/// for each once a birth has told of it.
///
/// Whoever renders events declares here what they speak of; who holds the connection asks for births. Numbers last as long
/// as the process.
public final class SparkplugMetrics: Sendable {
    /// What events say that is no reading: the event as JSON.
    static let events = "events"

    struct Declared: Equatable {
        var alias: UInt64
        var unit: String
        var form: PointField.Form
    }

    private struct Metrics {
        var names: [String] = []
        var declared: [String: Declared] = [:]
        /// What was said last of those that are no readings.
        var said: [String: SparkplugMetric] = [:]
        /// Goes up with each change: a birth of an earlier one does not tell of all.
        var version = 0
    }

    private struct State {
        var devices: [String: Metrics] = [:]
        var aliases: UInt64 = 0
        /// Those that were not good when they were told of last.
        var doubted: Set<UInt64> = []
    }

    let node: SparkplugNodeName
    private let catalog: Catalog
    private let fields: [String: [PointField]]
    private let allowed: AllowList?
    private let units: [String: UnitChange]
    private let latest: @Sendable (_ device: String) -> Batch
    /// The devices that are there now.
    let online: @Sendable () -> Set<String>
    private let state = Mutex(State())

    /// - Parameters:
    ///   - fields: by map, what its devices are known to have.
    ///   - allowed: what may be told; nil for everything.
    ///   - units: by the unit that something is in, another that it is told in.
    ///   - latest: an event with what is known last of each point of a device.
    ///   - online: the devices that are there now.
    public init(
        node: SparkplugNodeName, catalog: Catalog, fields: [String: [PointField]], allowed: AllowList?,
        units: [String: UnitChange], latest: @escaping @Sendable (_ device: String) -> Batch,
        online: @escaping @Sendable () -> Set<String>
    ) {
        self.node = node
        self.catalog = catalog
        self.fields = fields
        self.allowed = allowed
        self.units = units
        self.latest = latest
        self.online = online
    }

    // MARK: Readings

    /// What an event says of a metric.
    struct Fact {
        var name: String
        var unit = ""
        var value: Value
        var time: Timestamp
        var quality = Quality.good
        var reason = Reason.none
    }

    /// The readings of an event, as they are told.
    func facts(of event: Batch.Event, _ batch: Batch, _ contents: Catalog.Contents) -> [Fact] {
        batch.readings[event.readings].compactMap { reading in
            guard let series = contents[reading.series] else { return nil }
            let change = units[series.unit]
            return Fact(
                name: series.point, unit: change?.unit ?? series.unit,
                value: change?.value(reading.value) ?? reading.value, time: reading.time, quality: reading.quality,
                reason: reading.reason)
        }
    }

    /// What a window says of a series, and the unit that it is in.
    func told(_ value: Value, of figure: Figure, _ series: Series) -> (value: Value, unit: String) {
        let change = units[series.unit]
        let unit = figure.isOfUnit ? change?.unit ?? series.unit : ""
        return (change?.value(value, of: figure) ?? value, unit)
    }

    /// What facts are under the numbers of their metrics, and the version of the birth that tells of those.
    /// - Parameter device: nil for the edge node itself.
    func metrics(
        _ facts: [Fact], of device: Device?, texts: Batch, isHistorical: Bool, areReadings: Bool
    ) -> (metrics: [SparkplugMetric], version: Int) {
        state.withLock { state in
            let id = open(device, &state)
            let metrics = facts.map { fact in
                let declared = Self.declare(fact, id, &state)
                var metric = Self.metric(declared, fact, texts)
                metric.isHistorical = isHistorical
                if metric.quality != nil {
                    state.doubted.insert(declared.alias)
                } else if state.doubted.remove(declared.alias) != nil {
                    metric.quality = Self.code(.good)
                }
                if !areReadings, !isHistorical { state.devices[id]?.said[fact.name] = metric }
                return metric
            }
            return (metrics, state.devices[id]?.version ?? 0)
        }
    }

    // MARK: Births

    /// All metrics of a device, with what is known of each last.
    /// - Parameter id: empty for the edge node itself.
    func birth(of id: String) -> (metrics: [SparkplugMetric], version: Int) {
        let (contents, batch) = (catalog.contents, id.isEmpty ? Batch() : latest(id))
        var facts: [String: (fact: Fact, texts: Batch)] = [:]
        var device: Device?
        for event in batch.events {
            device = contents[event.device]
            guard let (told, part) = allowed.map({ $0.part(of: event, batch, contents) }) ?? (event, batch) else {
                continue
            }
            for fact in self.facts(of: told, part, contents) { facts[fact.name] = (fact, part) }
        }
        return state.withLock { state in
            if id.isEmpty || device != nil { _ = open(device, &state) }
            for (fact, _) in facts.values.sorted(by: { $0.fact.name < $1.fact.name }) {
                _ = Self.declare(fact, id, &state)
            }
            let known = state.devices[id] ?? Metrics()
            let metrics = known.names.compactMap { name in
                known.declared[name].map { declared in
                    var metric = known.said[name] ?? Self.metric(declared, facts[name]?.fact, facts[name]?.texts)
                    metric.name = name
                    metric.typeCode = declared.form.type.rawValue
                    metric.unit = declared.unit.isEmpty ? nil : declared.unit
                    metric.quality = metric.quality ?? Self.code(.good)
                    return metric
                }
            }
            return (metrics, known.version)
        }
    }

    // MARK: Declaring

    /// Makes the metrics of a device known that its map has.
    private func open(_ device: Device?, _ state: inout State) -> String {
        let id = device?.id ?? ""
        guard state.devices[id] == nil else { return id }
        state.devices[id] = Metrics()
        for field in device.flatMap({ fields[$0.map] }) ?? [] {
            guard device.map({ allowed?.isAllowed(field.point, $0) ?? true }) ?? false else { continue }
            Self.add(field.point, unit: field.unit, field.form, id, &state)
        }
        Self.add(Self.events, unit: "", .text, id, &state)
        return id
    }

    private static func declare(_ fact: Fact, _ id: String, _ state: inout State) -> Declared {
        let known = state.devices[id]?.declared[fact.name]
        if let known, known.unit == fact.unit, known.form.holds(fact.value) || fact.value == .none { return known }
        let form = PointField.Form(fact.value) ?? known?.form ?? .number
        return add(fact.name, unit: fact.unit, form, id, &state)
    }

    @discardableResult
    private static func add(
        _ name: String, unit: String, _ form: PointField.Form, _ id: String, _ state: inout State
    ) -> Declared {
        state.aliases += 1
        let declared = Declared(alias: state.aliases, unit: unit, form: form)
        if state.devices[id]?.declared.updateValue(declared, forKey: name) == nil {
            state.devices[id]?.names.append(name)
        }
        state.devices[id]?.version += 1
        return declared
    }

    // MARK: Values

    /// - Parameter fact: nil where nobody has read it yet.
    private static func metric(_ declared: Declared, _ fact: Fact?, _ texts: Batch?) -> SparkplugMetric {
        let raw = fact.flatMap { Self.raw($0.value, as: declared.form, texts: texts ?? Batch()) }
        var metric = SparkplugMetric(alias: declared.alias, raw: raw)
        metric.timestamp = fact?.time.milliseconds
        metric.quality = fact?.quality == .good ? nil : code(fact?.quality ?? .absent)
        metric.reason = fact?.doubt
        return metric
    }

    private static func raw(_ value: Value, as form: PointField.Form, texts: Batch) -> SparkplugMetric.Raw? {
        switch (form, value) {
        case (.boolean, .boolean(let isTrue)): .boolean(isTrue)
        case (.integer, .integer(let integer)): .long(UInt64(bitPattern: integer))
        case (.integer, .number(let number)):
            Int64(exactly: number).map { SparkplugMetric.Raw.long(UInt64(bitPattern: $0)) }
        case (.single, .single(let number)): .float(number)
        case (.number, _): value.asNumber.map { SparkplugMetric.Raw.double($0) }
        case (.text, .text(let place)): .string(texts.text(at: place))
        default: nil
        }
    }

    /// Sparkplug 3.0.0, 6.4.12. There is nothing between good and bad.
    private static func code(_ quality: Quality) -> UInt32 { quality == .good ? 192 : 0 }
}

extension SparkplugMetrics.Fact {
    /// Why it is not good.
    fileprivate var doubt: String? {
        if quality == .good { return nil }
        return reason == .none ? "\(quality.name)" : "\(reason.name)"
    }
}

extension PointField.Form {
    /// Nil for none.
    fileprivate init?(_ value: Value) {
        switch value {
        case .none: return nil
        case .boolean: self = .boolean
        case .integer: self = .integer
        case .single: self = .single
        case .number: self = .number
        case .text: self = .text
        }
    }

    fileprivate var type: SparkplugType {
        switch self {
        case .boolean: .boolean
        case .integer: .int64
        case .single: .float
        case .number: .double
        case .text: .string
        }
    }
}

extension Timestamp {
    /// Sparkplug counts them from 1970; what is before is not told.
    var milliseconds: UInt64 { UInt64(max(0, microseconds) / 1_000) }
}
