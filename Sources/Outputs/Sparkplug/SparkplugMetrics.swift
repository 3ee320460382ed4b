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
    /// Of the metrics that are no device's.
    static let ownPrefix = "Headgate/"

    /// What events say that is no reading: the event as JSON.
    static let events = ownPrefix + "events"

    /// What is told of a device after its death, as JSON: a metric of the edge node.
    static let late = ownPrefix + "late"

    /// What says whether a rule's alarm is on.
    static func alarm(of rule: String) -> String { ownPrefix + "alarms/\(rule)" }

    private struct Declared {
        var name: String
        var alias: UInt64
        var unit: String
        var form: PointField.Form
        /// What was said last of what is no reading.
        var said: SparkplugMetric?
    }

    private struct Metrics {
        var declared: [Declared] = []
        /// By what it says, the places of its metrics. A metric has one type and one unit for good: what says something else, as
        /// under an earlier version of a map, is another, with that in its name.
        var places: [String: [Int]] = [:]
        /// The one of them that was told of last.
        var current: [String: Int] = [:]
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
    private let isTold: @Sendable (_ point: String, Device) -> Bool
    private let latest: @Sendable (_ device: String) -> Batch
    private let alarms: @Sendable (Device?) -> [String: AlarmState]
    private let figures: @Sendable (Device) -> [WindowFigure]
    /// The devices that are there now.
    let online: @Sendable () -> Set<String>
    private let state = Mutex(State())

    /// - Parameters:
    ///   - fields: by map, what its devices are known to have.
    ///   - allowed: what may be told; nil for everything.
    ///   - units: by the unit that something is in, another that it is told in.
    ///   - isTold: whether readings of a point are told, and not only what they amount to.
    ///   - alarms: those that there may be of a device, or of the gateway, by rule.
    ///   - figures: those that windows give of a device.
    ///   - latest: an event with what is known last of each point of a device.
    ///   - online: the devices that are there now.
    public init(
        node: SparkplugNodeName, catalog: Catalog, fields: [String: [PointField]], allowed: AllowList?,
        units: [String: UnitChange], isTold: @escaping @Sendable (_ point: String, Device) -> Bool,
        alarms: @escaping @Sendable (Device?) -> [String: AlarmState],
        figures: @escaping @Sendable (Device) -> [WindowFigure],
        latest: @escaping @Sendable (_ device: String) -> Batch,
        online: @escaping @Sendable () -> Set<String>
    ) {
        self.node = node
        self.catalog = catalog
        self.fields = fields
        self.allowed = allowed
        self.units = units
        self.isTold = isTold
        self.alarms = alarms
        self.figures = figures
        self.latest = latest
        self.online = online
    }

    /// A figure that a window gives of a point.
    public struct WindowFigure: Sendable {
        var point: String
        /// Of the point.
        var unit: String
        var window: String
        var figure: Figure

        public init(point: String, unit: String, window: String, figure: Figure) {
            (self.point, self.unit, self.window, self.figure) = (point, unit, window, figure)
        }
    }

    static func name(of figure: Figure, _ window: String, _ point: String) -> String {
        "\(point)/\(window)/\(figure.name)"
    }

    /// How it is with an alarm now.
    public enum AlarmState: Sendable { case off, on, unconfirmed }

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
            // Taken out, so that it is changed in place.
            var known = state.devices.removeValue(forKey: id) ?? Metrics()
            var metrics: [SparkplugMetric] = []
            for fact in facts {
                let place = Self.place(of: fact, in: &known, &state.aliases)
                let declared = known.declared[place]
                var metric = Self.metric(declared, fact, texts)
                metric.isHistorical = isHistorical
                if metric.quality != nil {
                    state.doubted.insert(declared.alias)
                } else if state.doubted.remove(declared.alias) != nil {
                    metric.quality = Self.code(.good)
                }
                if !isHistorical {
                    if !areReadings { known.declared[place].said = metric }
                    if let last = known.current.updateValue(place, forKey: fact.name), last != place {
                        metrics.append(Self.withdrawn(known.declared[last], at: fact.time))
                        known.declared[last].said = nil
                        state.doubted.insert(known.declared[last].alias)
                    }
                }
                metrics.append(metric)
            }
            state.devices[id] = known
            return (metrics, known.version)
        }
    }

    /// Metrics of a device that is dead, as one of the edge node.
    func late(_ metrics: [SparkplugMetric], of device: String) -> SparkplugMetric? {
        let (names, own) = state.withLock { state in
            _ = open(nil, &state)
            let declared = state.devices[device]?.declared ?? []
            let own = state.devices[""]?.declared ?? []
            return (
                Dictionary(declared.map { ($0.alias, ($0.name, $0.form == .unsigned)) }, uniquingKeysWith: { $1 }),
                Dictionary(own.map { ($0.name, $0.alias) }, uniquingKeysWith: { first, _ in first })
            )
        }
        let event = metrics.first { $0.alias.flatMap { names[$0]?.0 } == Self.events }
        if let event, let alias = own[Self.events] {
            var metric = SparkplugMetric(alias: alias, raw: event.raw)
            metric.timestamp = event.timestamp
            return metric
        }
        guard let alias = own[Self.late] else { return nil }
        let told = LateMetrics(
            device: device,
            metrics: metrics.compactMap { metric in
                metric.alias.flatMap { names[$0] }.map { LateMetrics.One(name: $0, isUnsigned: $1, metric) }
            })
        guard let json = told.json else { return nil }
        var metric = SparkplugMetric(alias: alias, raw: .string(json))
        metric.timestamp = metrics.compactMap(\.timestamp).max()
        metric.isHistorical = true
        return metric
    }

    // MARK: Births

    /// All metrics of a device, with what is known of each last.
    /// - Parameter id: empty for the edge node itself.
    func birth(of id: String) -> (metrics: [SparkplugMetric], version: Int) {
        let contents = catalog.contents
        let batch = id.isEmpty ? Batch() : latest(id)
        var facts: [String: (fact: Fact, texts: Batch)] = [:]
        for event in batch.events {
            guard let (told, part) = allowed.map({ $0.part(of: event, batch, contents) }) ?? (event, batch) else {
                continue
            }
            for fact in self.facts(of: told, part, contents) {
                guard contents[told.device].map({ isTold(fact.name, $0) }) ?? true else { continue }
                facts[fact.name] = (fact, part)
            }
        }
        let device = contents.devices.last { $0.id == id }
        guard id.isEmpty || device != nil else { return ([], 0) }
        let alarms = alarms(device)
        return state.withLock { state in
            let id = open(device, &state)
            var known = state.devices[id] ?? Metrics()
            for (rule, alarm) in alarms.sorted(by: { $0.key < $1.key }) {
                let fact = Fact(
                    name: Self.alarm(of: rule), value: .boolean(alarm != .off), time: .now,
                    quality: alarm == .unconfirmed ? .uncertain : .good)
                let place = Self.place(of: fact, in: &known, &state.aliases)
                known.declared[place].said = Self.metric(known.declared[place], fact, nil)
                if alarm == .unconfirmed { state.doubted.insert(known.declared[place].alias) }
            }
            var found: [Int: (fact: Fact, texts: Batch)] = [:]
            for (_, one) in facts.sorted(by: { $0.key < $1.key }) {
                let place = Self.place(of: one.fact, in: &known, &state.aliases)
                known.current[one.fact.name] = place
                found[place] = one
            }
            state.devices[id] = known
            return (known.declared.indices.map { Self.birth(known.declared[$0], found[$0]) }, known.version)
        }
    }

    private static func birth(_ declared: Declared, _ known: (fact: Fact, texts: Batch)?) -> SparkplugMetric {
        var metric = declared.said ?? metric(declared, known?.fact, known?.texts)
        // A birth tells of everything at once: texts that are no mere words would make it larger than brokers take.
        if case .string(let text) = metric.raw, text.utf8.count > longestText {
            metric = SparkplugMetric(alias: declared.alias, raw: nil)
            metric.timestamp = declared.said?.timestamp ?? known?.fact.time.milliseconds
            metric.quality = code(.absent)
            metric.reason = "\(Reason.tooLong.name)"
        }
        metric.name = declared.name
        metric.typeCode = declared.form.type.rawValue
        metric.unit = declared.unit.isEmpty ? nil : declared.unit
        metric.quality = metric.quality ?? code(.good)
        return metric
    }

    /// Bytes of the longest text in a birth.
    private static let longestText = 1_024

    // MARK: Declaring

    /// Makes the metrics of a device known that its map and the rules have.
    private func open(_ device: Device?, _ state: inout State) -> String {
        let id = device?.id ?? ""
        guard state.devices[id] == nil else { return id }
        var known = Metrics()
        for field in device.flatMap({ fields[$0.map] }) ?? [] {
            let isWanted = device.map { allowed?.isAllowed(field.point, $0) ?? true && isTold(field.point, $0) }
            guard isWanted ?? false else { continue }
            _ = Self.add(field.point, unit: field.unit, field.form, to: &known, &state.aliases)
        }
        for one in device.map(figures) ?? [] where device.map({ allowed?.isAllowed(one.point, $0) ?? true }) ?? false {
            let unit = one.figure.isOfUnit ? units[one.unit]?.unit ?? one.unit : ""
            _ = Self.add(
                Self.name(of: one.figure, one.window, one.point), unit: unit, .number, to: &known, &state.aliases)
        }
        let events = Self.add(Self.events, unit: "", .text, to: &known, &state.aliases)
        // That nothing has been told yet is as it should be.
        known.declared[events].said = SparkplugMetric(alias: known.declared[events].alias, raw: nil)
        if device == nil {
            let late = Self.add(Self.late, unit: "", .text, to: &known, &state.aliases)
            known.declared[late].said = SparkplugMetric(alias: known.declared[late].alias, raw: nil)
        }
        for rule in alarms(device).keys.sorted() {
            _ = Self.add(Self.alarm(of: rule), unit: "", .boolean, to: &known, &state.aliases)
        }
        state.devices[id] = known
        return id
    }

    /// The metric that can tell a fact.
    private static func place(of fact: Fact, in known: inout Metrics, _ aliases: inout UInt64) -> Int {
        let places = known.places[fact.name] ?? []
        // Nothing is in no unit, and of no type.
        if fact.value == .none, let place = known.current[fact.name] ?? places.first { return place }
        let fitting = places.first { place in
            known.declared[place].unit == fact.unit && known.declared[place].form.holds(fact.value)
        }
        return fitting
            ?? add(fact.name, unit: fact.unit, PointField.Form(widest: fact.value), to: &known, &aliases)
    }

    private static func add(
        _ name: String, unit: String, _ form: PointField.Form, to known: inout Metrics, _ aliases: inout UInt64
    ) -> Int {
        aliases += 1
        let isFirst = known.places[name] == nil
        let own = isFirst ? name : "\(name) (\([unit, "\(form)"].filter { !$0.isEmpty }.joined(separator: ", ")))"
        known.declared.append(Declared(name: own, alias: aliases, unit: unit, form: form))
        known.places[name, default: []].append(known.declared.count - 1)
        known.version += 1
        return known.declared.count - 1
    }

    /// What another metric says now.
    private static func withdrawn(_ declared: Declared, at time: Timestamp) -> SparkplugMetric {
        var metric = SparkplugMetric(alias: declared.alias, raw: nil)
        metric.timestamp = time.milliseconds
        metric.quality = code(.absent)
        metric.reason = "\(Reason.withdrawn.name)"
        return metric
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
        case (.unsigned, .unsigned(let number)): .long(number)
        case (.unsigned, .integer(let integer)): .long(UInt64(bitPattern: integer))
        case (.single, .single(let number)): .float(number)
        case (.number, _): value.asNumber.map { SparkplugMetric.Raw.double($0) }
        case (.text, .text(let place)): .string(texts.text(at: place))
        default: nil
        }
    }

    /// Sparkplug 3.0.0, 6.4.12. There is nothing between good and bad.
    private static func code(_ quality: Quality) -> UInt32 { quality == .good ? 192 : 0 }
}

extension [SparkplugMetric] {
    /// The metrics from the oldest to the newest, as a message has to list them (Sparkplug 3.0.0, 5.16).
    var chronological: [SparkplugMetric] {
        sorted { ($0.timestamp ?? 0) < ($1.timestamp ?? 0) }
    }
}

extension SparkplugMetrics.Fact {
    /// Why it is not good.
    fileprivate var doubt: String? {
        if quality == .good { return nil }
        return reason == .none ? "\(quality.name)" : "\(reason.name)"
    }
}

extension PointField.Form {
    /// What also holds what may come next: a whole number may be followed by another.
    fileprivate init(widest value: Value) {
        switch value {
        case .boolean: self = .boolean
        case .integer(let integer): self = Self.number.holds(.integer(integer)) ? .number : .integer
        case .unsigned: self = .unsigned
        case .none, .single, .number: self = .number
        case .text: self = .text
        }
    }

    fileprivate var type: SparkplugType {
        switch self {
        case .boolean: .boolean
        case .integer: .int64
        case .unsigned: .uint64
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
