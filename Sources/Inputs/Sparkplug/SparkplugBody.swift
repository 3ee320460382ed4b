// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Sparkplug

/// What an edge node, or a device of it, has said of itself: the metrics of its last birth are its points.
struct SparkplugBody {
    struct Metric {
        var name: String
        var type: SparkplugType
        var series: SeriesNumber
    }

    /// The most metrics that one may ever have: what a birth says is not bounded by itself.
    static let mostSeries = 10_000
    static let longestName = 256
    private static let deepest = 8

    let id: String
    let number: DeviceNumber
    private let catalog: Catalog
    /// By name.
    private(set) var metrics: [String: Metric] = [:]
    /// What numbers stand for; nil where a birth gave one twice. They need only be different on one node, but some count
    /// them from device to device.
    private var aliases: [UInt64: String?] = [:]
    /// All that there ever were, by name and unit.
    private var series: [[String]: SeriesNumber] = [:]
    var presence = DevicePresence()
    var isBorn = false
    /// Metrics of the birth that are not read: of a type that is no value, of a name that is none, or too many.
    private(set) var unread: Set<String> = []

    init(_ device: Device, _ catalog: Catalog) {
        id = device.id
        self.catalog = catalog
        number = catalog.number(of: device)
    }

    // MARK: Births

    /// Takes over what a birth says there is.
    /// - Returns: what there was before and is no more.
    mutating func bear(_ birth: [SparkplugMetric]) -> [SeriesNumber] {
        let before = metrics
        metrics = [:]
        aliases = [:]
        unread = []
        for metric in birth { define(metric, in: "", depth: 0) }
        isBorn = true
        return before.values.filter { metrics[$0.name]?.series != $0.series }.map(\.series).sorted { $0.raw < $1.raw }
    }

    private mutating func define(_ metric: SparkplugMetric, in group: String, depth: Int) {
        guard let own = metric.name, !Self.isOfProtocol(own), !metric.isDefinition else { return }
        let name = group + own
        if let alias = metric.alias {
            aliases[alias] = .some(aliases[alias, default: name] == name ? name : nil)
        }
        let type = metric.typeCode.flatMap(SparkplugType.init(rawValue:))
        if type == .template, depth < Self.deepest {
            for member in metric.members { define(member, in: name + "/", depth: depth + 1) }
        } else if let type, type != .template, Self.isName(name),
            let series = number(of: name, Self.unit(metric.unit))
        {
            metrics[name] = Metric(name: name, type: type, series: series)
        } else if unread.count < Self.mostSeries {
            unread.insert(name)
        }
    }

    private mutating func number(of name: String, _ unit: String) -> SeriesNumber? {
        if let known = series[[name, unit]] { return known }
        guard series.count < Self.mostSeries else { return nil }
        let number = catalog.number(of: Series(device: self.number, point: name, unit: unit, lane: .normal))
        series[[name, unit]] = number
        return number
    }

    /// What a node says of the session, and what it can be told: nothing that it measures.
    private static func isOfProtocol(_ name: String) -> Bool {
        name == "bdSeq" || name.hasPrefix("Node Control/") || name.hasPrefix("Device Control/")
    }

    /// Names become the points of events and stand on people's screens.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= longestName
            && name.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    }

    /// In UCUM, where what it says can be nothing else: C may be degrees and coulombs.
    private static func unit(_ text: String?) -> String {
        guard let text, !["C", "F", "G", "R"].contains(text) else { return "" }
        return UCUM.isUnit(text) ? text : UCUM.meant(by: text) ?? ""
    }

    // MARK: Readings

    /// Puts what a metric says into the batch.
    /// - Returns: false where the birth knows no such metric, or another type.
    func read(_ metric: SparkplugMetric, at time: Timestamp, isWhole: Bool, into batch: inout Batch) -> Bool {
        let written = metric.name.flatMap { $0.isEmpty ? nil : $0 }
        guard let name = written ?? metric.alias.flatMap({ aliases[$0] ?? nil }) else { return false }
        return read(metric, name, at: time, isWhole: isWhole, into: &batch)
    }

    /// - Parameter name: the whole of it, groups included.
    private func read(
        _ metric: SparkplugMetric, _ name: String, at time: Timestamp, isWhole: Bool, into batch: inout Batch
    ) -> Bool {
        if Self.isOfProtocol(name) || unread.contains(name) { return true }
        guard let known = metrics[name] else {
            return readGroup(metric, name, at: time, isWhole: isWhole, into: &batch)
        }
        if let code = metric.typeCode, code != known.type.rawValue { return false }
        let (value, quality, reason) = metric.value(as: known.type, into: &batch)
        var reading = Reading(
            series: known.series, time: Self.time(metric.timestamp) ?? time, value: value, quality: quality,
            reason: reason)
        // What a number stands for, or what a value was since, may have been in a message that is lost.
        if !isWhole, quality == .good { (reading.quality, reading.reason) = (.uncertain, .sequenceGap) }
        batch.readings.append(reading)
        return true
    }

    /// What is said of a group counts for its members; one with nothing in it says nothing.
    private func readGroup(
        _ metric: SparkplugMetric, _ name: String, at time: Timestamp, isWhole: Bool, into batch: inout Batch
    ) -> Bool {
        if metric.isNull {
            let members = metrics.values.filter { $0.name.hasPrefix(name + "/") }.sorted {
                $0.series.raw < $1.series.raw
            }
            for member in members {
                batch.readings.append(Reading(series: member.series, time: time, value: .none, quality: .absent))
            }
            return !members.isEmpty
        }
        let time = Self.time(metric.timestamp) ?? time
        return metric.members.reduce(metric.raw == nil) { isKnown, member in
            guard let own = member.name else { return false }
            var member = member
            member.quality = member.quality ?? metric.quality
            return read(member, name + "/" + own, at: time, isWhole: isWhole, into: &batch) && isKnown
        }
    }

    /// A node that was never told the time counts from 0.
    static func time(_ milliseconds: UInt64?) -> Timestamp? {
        guard let time = milliseconds.flatMap(Timestamp.init(sparkplug:)), time > .earliestOfDevices else { return nil }
        return time
    }

    // MARK: Deaths

    /// Says, once, that it is gone, and takes back what it said.
    mutating func cutOff(since: Timestamp, _ reason: Reason, at time: Timestamp, into batch: inout Batch) {
        isBorn = false
        guard let change = presence.cutOff(since: since, reason) else { return }
        for metric in metrics.values.sorted(by: { $0.series.raw < $1.series.raw }) {
            batch.readings.append(.bad(metric.series, time: time, .offline))
        }
        batch.closeTelemetry(device: number, time: time)
        batch.append(change, device: number, time: time)
    }
}
