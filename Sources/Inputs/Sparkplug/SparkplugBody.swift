// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Sparkplug

/// What an edge node, or a device of it, has said of itself: the metrics of its last birth are its points.
struct SparkplugBody {
    struct Metric {
        var type: SparkplugType
        var alias: UInt64?
        var series: SeriesNumber
    }

    /// The most metrics that one may ever have: what a birth says is not bounded by itself.
    static let mostSeries = 10_000
    static let longestName = 256
    private static let deepest = 8

    let id: String
    let number: DeviceNumber
    private let catalog: Catalog
    private let room: SparkplugRoom
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
    private(set) var unreadCount = 0
    private var unread: Set<String> = []
    /// Whether the names or aliases of some metrics are not kept, because they would take up too much memory. An unknown
    /// metric may be one of them.
    private var hasUnkept = false
    /// The bytes that names and aliases of the last birth take up in the room.
    private var taken = 0

    init(_ device: Device, _ catalog: Catalog, _ room: SparkplugRoom) {
        id = device.id
        self.catalog = catalog
        self.room = room
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
        unreadCount = 0
        hasUnkept = false
        room.giveBack(taken)
        taken = 0
        for metric in birth { define(metric, in: "", depth: 0) }
        isBorn = true
        return before.filter { metrics[$0.key]?.series != $0.value.series }.map(\.value.series).sorted {
            $0.raw < $1.raw
        }
    }

    private mutating func define(_ metric: SparkplugMetric, in group: String, depth: Int) {
        guard let own = metric.name, !metric.isDefinition else { return }
        let name = group + own
        // Before anything is kept of it, or of what is in it.
        guard Self.isName(name) else {
            unreadCount += 1
            // The alias of a metric that is not read.
            if let alias = metric.alias { keep(alias, for: "") }
            return
        }
        if let alias = metric.alias { keep(alias, for: name) }
        guard depth < Self.deepest else { return leave(name) }
        guard !Self.isOfProtocol(name), !unread.contains(name) else { return }
        let type = metric.typeCode.flatMap(SparkplugType.init(rawValue:))
        if type == .template {
            for member in metric.members { define(member, in: name + "/", depth: depth + 1) }
        } else if let known = metrics[name], known.type == type, known.alias == metric.alias {
            // The same once more, at another time.
            return
        } else if let type, metrics[name] == nil, let series = number(of: name, Self.unit(metric.unit)) {
            metrics[name] = Metric(type: type, alias: metric.alias, series: series)
        } else {
            // A name that stands for two things stands for neither.
            metrics[name] = nil
            leave(name)
        }
    }

    private mutating func keep(_ alias: UInt64, for name: String) {
        guard aliases[alias] != nil || take(SparkplugRoom.aliasSize) else { return hasUnkept = true }
        aliases[alias] = .some(aliases[alias, default: name] == name ? name : nil)
    }

    /// Does not read a metric of the birth.
    private mutating func leave(_ name: String) {
        unreadCount += 1
        if unread.count < Self.mostSeries, take(SparkplugRoom.unread(name)) {
            unread.insert(name)
        } else {
            hasUnkept = true
        }
    }

    private mutating func take(_ bytes: Int) -> Bool {
        guard room.take(bytes) else { return false }
        taken += bytes
        return true
    }

    /// Whether the birth had it, or may have had it, and it is not read.
    private func isUnread(_ name: String) -> Bool {
        hasUnkept || Self.isOfProtocol(name) || unread.contains(name) || !Self.isName(name)
    }

    private mutating func number(of name: String, _ unit: String) -> SeriesNumber? {
        if let known = series[[name, unit]] { return known }
        guard series.count < Self.mostSeries, room.takeSeries(named: name + unit) else { return nil }
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
    func read(_ metric: SparkplugMetric, at time: inout MessageTime, isWhole: Bool, into batch: inout Batch) -> Bool {
        let written = metric.name.flatMap { $0.isEmpty ? nil : $0 }
        guard let name = written ?? metric.alias.flatMap({ aliases[$0] ?? nil }) else { return hasUnkept }
        return read(metric, name, at: &time, isWhole: isWhole, into: &batch)
    }

    /// - Parameter name: the whole of it, groups included.
    private func read(
        _ metric: SparkplugMetric, _ name: String, at time: inout MessageTime, isWhole: Bool, into batch: inout Batch
    ) -> Bool {
        guard let known = metrics[name] else {
            return isUnread(name) || readGroup(metric, name, at: &time, isWhole: isWhole, into: &batch)
        }
        if let code = metric.typeCode, code != known.type.rawValue { return false }
        let (value, quality, reason) = metric.value(as: known.type, into: &batch)
        var reading = Reading(
            series: known.series, time: time.time(metric.timestamp), value: value, quality: quality, reason: reason)
        // What a number stands for, or what a value was since, may have been in a message that is lost.
        if !isWhole, quality == .good { (reading.quality, reading.reason) = (.uncertain, .sequenceGap) }
        if metric.isHistorical, metric.timestamp == nil, reading.quality == .good {
            (reading.quality, reading.reason) = (.uncertain, .retained)
        }
        batch.readings.append(reading)
        return true
    }

    /// What is said of a group counts for its members; one with nothing in it says nothing.
    private func readGroup(
        _ metric: SparkplugMetric, _ name: String, at time: inout MessageTime, isWhole: Bool, into batch: inout Batch
    ) -> Bool {
        // Of one that is no more only a birth tells what it had.
        guard !metric.isNull else { return false }
        let whole = time.told
        time.told = time.time(metric.timestamp)
        defer { time.told = whole }
        return metric.members.reduce(metric.raw == nil) { isKnown, member in
            let whole = member.name.map { name + "/" + $0 } ?? member.alias.flatMap { aliases[$0] ?? nil }
            guard let whole else { return hasUnkept }
            var member = member
            member.quality = member.quality ?? metric.quality
            return read(member, whole, at: &time, isWhole: isWhole, into: &batch) && isKnown
        }
    }

    /// The time of a message, and of the group that is being read.
    struct MessageTime {
        /// The node's own time, or the time of arrival.
        fileprivate(set) var told: Timestamp
        /// Whether an impossible time was in the message. A node whose clock was never set counts from 0.
        private(set) var isRefused = false
        private let arrival: Timestamp

        init(_ payload: SparkplugPayload, arrival: Timestamp) {
            (told, self.arrival) = (arrival, arrival)
            told = time(payload.timestamp)
        }

        /// The time in a field that may be empty or impossible.
        fileprivate mutating func time(_ milliseconds: UInt64?) -> Timestamp {
            guard let milliseconds else { return told }
            if let time = Timestamp(sparkplug: milliseconds), DeviceTime.isPossible(time, arrival: arrival) {
                return time
            }
            isRefused = true
            return told
        }
    }

    // MARK: Deaths

    /// The death of a device, at the time of its message (Sparkplug 3.0.0, 5.7), but not before the device was online.
    mutating func die(_ death: SparkplugPayload, at arrival: Timestamp, into batch: inout Batch) {
        let time = MessageTime(death, arrival: arrival)
        let told = max(time.told, presence.onlineSince ?? time.told)
        cutOff(since: told, .death, at: told, origin: Origin(isTimeRefused: time.isRefused), into: &batch)
    }

    /// Says, once, that it is gone, and takes back what it said.
    mutating func cutOff(
        since: Timestamp, _ reason: Reason, at time: Timestamp, origin: Origin = Origin(), into batch: inout Batch
    ) {
        isBorn = false
        guard let change = presence.cutOff(since: since, reason) else { return }
        for metric in metrics.values.sorted(by: { $0.series.raw < $1.series.raw }) {
            batch.readings.append(.bad(metric.series, time: time, .offline))
        }
        batch.closeTelemetry(device: number, time: time, origin: origin)
        batch.append(change, device: number, time: time)
    }
}
