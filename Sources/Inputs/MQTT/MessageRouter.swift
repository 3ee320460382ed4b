// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import MQTT

/// From messages to readings: whose message it is, what it says, when that was.
package struct MessageRouter {
    /// Why a message gave nothing.
    enum Refusal: Error, Equatable {
        /// No device has this topic.
        case unmatched
        case malformed(device: String, JSONError)
        /// The map takes the device's id from the message, and it is not there.
        case noID(device: String)
        /// One more device than a wildcard may bring.
        case tooManyDevices(device: String)
    }

    /// A device that has been heard of.
    struct Known {
        var number: DeviceNumber
        var id: String
        var series: [SeriesNumber]
        var presence = DevicePresence()
        var interval: UsualInterval
        /// When it was heard of last.
        var heard: Timestamp?
    }

    private struct Subscription {
        var filter: String
        var device: Int
        var layout: MessageLayout
    }

    /// The most devices that one wildcard brings into being: what comes over a broker is not bounded by itself.
    static let devicesPerWildcard = 1_000

    let devices: [MQTTDevice]
    private let catalog: Catalog
    private let collector: any Collecting
    private var exact: [String: [Subscription]] = [:]
    private var wild: [Subscription] = []
    private(set) var known: [[String: Known]]

    init(_ devices: [MQTTDevice], catalog: Catalog, collector: any Collecting) {
        self.devices = devices
        self.catalog = catalog
        self.collector = collector
        known = devices.map { _ in [:] }
        for (index, device) in devices.enumerated() {
            for topic in MessageLayout.topics(of: device.map.points) {
                let filter = topic.isEmpty ? device.topic : device.topic + "/" + topic
                let layout = MessageLayout(points: device.map.points, topic: topic, form: device.form)
                let subscription = Subscription(filter: filter, device: index, layout: layout)
                if filter.utf8.contains(where: Self.isWildcard) {
                    wild.append(subscription)
                } else {
                    exact[filter, default: []].append(subscription)
                }
            }
        }
    }

    var filters: [String] { exact.keys.sorted() + wild.map(\.filter) }

    /// When a message came, by both clocks.
    package struct Arrival {
        package var time: Timestamp
        package var instant: ContinuousClock.Instant

        package init(time: Timestamp = .now, instant: ContinuousClock.Instant = .now) {
            self.time = time
            self.instant = instant
        }
    }

    /// Puts what a message says into `batch`, an event for each device that it is of.
    mutating func route(_ message: MQTTMessage, arrival: Arrival, into batch: inout Batch) throws(Refusal) {
        let subscriptions = (exact[message.topic] ?? []) + wild.filter { TopicFilter.matches($0.filter, message.topic) }
        guard !subscriptions.isEmpty else { throw .unmatched }
        // What one device cannot make sense of, another may.
        var refusal: Refusal?
        for subscription in subscriptions {
            do throws(Refusal) {
                try read(message, subscription, arrival, into: &batch)
            } catch {
                refusal = error
            }
        }
        if let refusal { throw refusal }
    }

    private mutating func read(
        _ message: MQTTMessage, _ subscription: Subscription, _ arrival: Arrival, into batch: inout Batch
    ) throws(Refusal) {
        let device = devices[subscription.device]
        let items: [MessageLayout.Contents]
        do {
            items = try subscription.layout.readAll(message.payload, into: &batch)
        } catch {
            throw .malformed(device: device.name, error)
        }
        if items.isEmpty { try greet(message, device, subscription.device, arrival, into: &batch) }
        var refusal: Refusal?
        for item in items {
            do throws(Refusal) {
                try take(item, of: message, subscription, arrival, into: &batch)
            } catch {
                refusal = error
            }
        }
        if let refusal { throw refusal }
    }

    /// A list with nothing in it has no news, but somebody sent it.
    private mutating func greet(
        _ message: MQTTMessage, _ device: MQTTDevice, _ index: Int, _ arrival: Arrival, into batch: inout Batch
    ) throws(Refusal) {
        let id = try id(of: message, MessageLayout.Contents(), device)
        guard !message.retained, let number = known[index][id]?.number,
            let change = known[index][id]?.hear(arrival)
        else { return }
        batch.append(change, device: number, time: arrival.time)
    }

    private mutating func take(
        _ contents: MessageLayout.Contents, of message: MQTTMessage, _ subscription: Subscription, _ arrival: Arrival,
        into batch: inout Batch
    ) throws(Refusal) {
        let device = devices[subscription.device]
        let id = try id(of: message, contents, device)
        let one = try self.device(subscription.device, id)
        let ownTime = time(of: message, contents, device)
        let time = ownTime ?? arrival.time
        // A retained message is as old as it likes to be: it does not prove that the device is there, nor, without a time
        // of its own, its values.
        let isStale = message.retained && ownTime == nil
        for value in contents.values {
            var reading = Reading(
                series: one.series[value.point], time: time, value: value.value, quality: value.quality,
                reason: value.reason)
            if isStale, reading.quality == .good { (reading.quality, reading.reason) = (.uncertain, .retained) }
            batch.readings.append(reading)
        }
        let change = message.retained ? nil : known[subscription.device][id]?.hear(arrival)
        batch.closeTelemetry(device: one.number, time: time, origin: Origin(isRedelivered: message.redelivered))
        if let change { batch.append(change, device: one.number, time: arrival.time) }
    }

    // MARK: Who is gone

    /// Marks every device as offline, once.
    /// - Parameter expectsAll: whether also those of their own topic that were never heard of.
    mutating func linkDown(since: Timestamp, at time: Timestamp, expectsAll: Bool = true, into batch: inout Batch) {
        for device in known.indices {
            if expectsAll { expect(device) }
            for id in known[device].keys { cutOff(device, id, since: since, .disconnected, at: time, into: &batch) }
        }
    }

    /// Marks as offline, once, whose silence has lasted longer than is usual for it.
    /// - Parameter listening: when the link came up.
    mutating func markSilent(listening: Arrival, at now: Arrival, into batch: inout Batch) {
        for device in known.indices {
            if case .after = devices[device].form.silence { expect(device) }
            for (id, one) in known[device] where !one.presence.isOffline {
                guard one.interval.isOver(at: now.instant, listening: listening.instant) else { continue }
                cutOff(device, id, since: one.heard ?? listening.time, .silent, at: now.time, into: &batch)
            }
        }
    }

    /// A device of its own topic is missed also if it was never heard of.
    private mutating func expect(_ index: Int) {
        let device = devices[index]
        guard known[index].isEmpty, !device.topic.utf8.contains(where: Self.isWildcard) else { return }
        _ = try? self.device(index, device.name)
    }

    private mutating func cutOff(
        _ device: Int, _ id: String, since: Timestamp, _ reason: Reason, at time: Timestamp, into batch: inout Batch
    ) {
        guard let one = known[device][id], let change = known[device][id]?.presence.cutOff(since: since, reason) else {
            return
        }
        for series in one.series { batch.readings.append(.bad(series, time: time, .offline)) }
        batch.closeTelemetry(device: one.number, time: time)
        batch.append(change, device: one.number, time: time)
    }

    // MARK: Whose it is

    private func id(
        of message: MQTTMessage, _ contents: MessageLayout.Contents, _ device: MQTTDevice
    ) throws(Refusal) -> String {
        // A single device keeps the name that the configuration gives it.
        guard let place = device.form.id, device.topic.utf8.contains(where: Self.isWildcard) else { return device.name }
        let text: String? =
            switch place {
            case .level(let level): Self.level(level, of: message.topic)
            case .path:
                switch contents.id {
                case .string(let text): text
                case .integer(let number): String(number)
                default: nil
                }
            }
        guard let text, !text.isEmpty else { throw .noID(device: device.name) }
        return DeviceID.part(device.naming?(text) ?? text, of: device.name)
    }

    private static func isWildcard(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "+") || byte == UInt8(ascii: "#") }

    private static func level(_ level: Int, of topic: String) -> String? {
        let levels = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let index = level > 0 ? level - 1 : levels.count + level
        return levels.indices.contains(index) ? String(levels[index]) : nil
    }

    private mutating func device(_ index: Int, _ id: String) throws(Refusal) -> Known {
        if let one = known[index][id] { return one }
        let device = devices[index]
        guard known[index].count < Self.devicesPerWildcard else { throw .tooManyDevices(device: device.name) }
        let number = catalog.number(
            of: Device(id: id, map: device.map.name, mapVersion: device.map.version, tags: device.tags))
        let series = collector.add(device.map.points, of: number, catalog)
        let one = Known(number: number, id: id, series: series, interval: UsualInterval(device.form.silence))
        known[index][id] = one
        return one
    }

    // MARK: When it was

    private func time(
        of message: MQTTMessage, _ contents: MessageLayout.Contents, _ device: MQTTDevice
    ) -> Timestamp? {
        guard let (place, format) = device.form.time else { return nil }
        let leaf: JSONLeaf? =
            switch place {
            case .path: contents.time
            case .level(let level): Self.level(level, of: message.topic).map { JSONLeaf.string($0) }
            }
        return leaf.flatMap { Self.time($0, format) }
    }

    private static func time(_ leaf: JSONLeaf, _ format: MQTTForm.TimeFormat) -> Timestamp? {
        let scale: Double
        switch format {
        case .iso8601:
            guard case .string(let text) = leaf else { return nil }
            return Timestamp(iso8601: text.utf8)
        case .unix: scale = 1_000_000
        case .unixMilliseconds: scale = 1_000
        case .unixMicroseconds: scale = 1
        }
        let number: Double? =
            switch leaf {
            case .number(let number): number
            case .integer(let number): Double(number)
            case .string(let text): Double(text)
            default: nil
            }
        guard let number, abs(number * scale) < 9e18 else { return nil }
        let time = Timestamp(microseconds: Int64(number * scale))
        return time > .earliestOfDevices ? time : nil
    }
}

extension MessageRouter.Known {
    fileprivate mutating func hear(_ arrival: MessageRouter.Arrival) -> StatusChange? {
        interval.hear(at: arrival.instant)
        heard = arrival.time
        return presence.answered(at: arrival.time)
    }
}
