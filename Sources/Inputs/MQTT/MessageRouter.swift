// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import MQTT

/// From messages to readings: whose message it is, what it says, when that was.
package struct MessageRouter {
    /// A device that has been heard of.
    struct Known {
        var number: DeviceNumber
        var id: String
        var series: [SeriesNumber]
        var presence = DevicePresence()
        var interval: UsualInterval
        /// When it was heard of last.
        var heard: Timestamp?
        var lastMessage: ContinuousClock.Instant
        /// The device's own topic that it was heard on first.
        var topic: String
        /// Whether its last time was refused.
        var isTimeRefused = false
    }

    private struct Subscription {
        enum Content {
            case points(MessageLayout)
            case presence(PresenceTopic)
        }

        var filter: String
        var device: Int
        var content: Content
        /// The identifier of the filter that brings its messages.
        var identifier = 0
        /// Whether its messages prove that the device is there: those that tell of its presence do not.
        var provesLife = true
    }

    let devices: [MQTTDevice]
    private let catalog: Catalog
    private let collector: any Collecting
    let warnings: any WarningSink
    private var exact: [String: [Subscription]] = [:]
    private var wild: [Subscription] = []
    /// What is subscribed to.
    package private(set) var cover: SubscriptionCover
    /// The identifiers of the current subscriptions, and of those that the session had when the gateway stopped.
    private var identifiers: Set<Int> = []
    private let earlier: Set<Int>
    /// By place in `devices`, the devices that there are, by id.
    var known: [[String: Known]]
    /// By place in `devices`, before when no device is forgotten.
    private var nextForgotten: [Int: ContinuousClock.Instant] = [:]
    /// Events of devices that there was no place for, since they were asked for last.
    private var unplaced = 0
    /// Messages whose time was refused, likewise.
    var refusedTimes = 0
    /// By place in `devices`, how many messages came without a time until the first that had one; nil since then.
    var withoutTime: [Int?]

    /// - Parameter earlier: the filters that the broker's session had when the gateway stopped.
    package init(
        _ devices: [MQTTDevice], catalog: Catalog, collector: any Collecting, earlier: [String] = [],
        warnings: any WarningSink = NoWarnings()
    ) {
        self.earlier = Set(earlier.map(TopicFilter.identifier))
        self.devices = devices
        self.catalog = catalog
        self.collector = collector
        self.warnings = warnings
        withoutTime = Array(repeating: 0, count: devices.count)
        known = devices.map { _ in [:] }
        var subscriptions: [Subscription] = []
        for (index, device) in devices.enumerated() {
            let presence = device.form.presence
            for topic in MessageLayout.topics(of: device.map.points) {
                let layout = MessageLayout(points: device.map.points, topic: topic, form: device.form)
                subscriptions.append(
                    Subscription(
                        filter: SubscriptionCover.filter(topic, below: device.topic), device: index,
                        content: .points(layout),
                        provesLife: topic != presence?.topic))
            }
            if let presence {
                subscriptions.append(
                    Subscription(
                        filter: SubscriptionCover.filter(presence.topic, below: device.topic), device: index,
                        content: .presence(presence)))
            }
        }
        cover = SubscriptionCover([])
        for subscription in subscriptions {
            if TopicFilter.hasWildcard(subscription.filter) {
                wild.append(subscription)
            } else {
                exact[subscription.filter, default: []].append(subscription)
            }
        }
        subscribe(without: [])
    }

    /// Finds out what to subscribe to.
    /// - Parameter refused: filters that the broker refuses: what they cover has to come by filters of its own.
    mutating func subscribe(without refused: Set<String>) {
        let wanted = (exact.values.joined() + wild).map(\.filter).filter { !refused.contains($0) }
        cover = SubscriptionCover(Set(wanted).sorted())
        func identified(_ subscription: Subscription) -> Subscription {
            var subscription = subscription
            let filter = cover.filter(covering: subscription.filter) ?? subscription.filter
            subscription.identifier = TopicFilter.identifier(of: filter)
            return subscription
        }
        exact = exact.mapValues { $0.map(identified) }
        wild = wild.map(identified)
        identifiers = Set((exact.values.joined() + wild).map(\.identifier))
    }

    /// When a message came, by both clocks.
    package struct Arrival {
        package var time: Timestamp
        package var instant: ContinuousClock.Instant

        package init(time: Timestamp = .now, instant: ContinuousClock.Instant = .now) {
            self.time = time
            self.instant = instant
        }
    }

    // MARK: Messages

    /// Puts what a message says into `batch`, an event for each device that it is of.
    /// - Throws: why it gave nothing, or not all that it could.
    mutating func route(_ message: MQTTMessage, arrival: Arrival, into batch: inout Batch) throws(Refusal) {
        var subscriptions = (exact[message.topic] ?? []) + wild.filter { TopicFilter.matches($0.filter, message.topic) }
        if !message.subscriptions.isEmpty { subscriptions.removeAll { !isCopy(message, for: $0) } }
        guard !subscriptions.isEmpty else { throw .unmatched }
        // What one device cannot make sense of, another may.
        var refusal: Refusal?
        for subscription in subscriptions {
            do throws(Refusal) {
                switch subscription.content {
                case .points(let layout): try read(message, layout, subscription, arrival, into: &batch)
                case .presence(let presence): try read(message, presence, subscription, arrival, into: &batch)
                }
            } catch {
                refusal = error.isMoreTelling(than: refusal) ? error : refusal
            }
        }
        if let refusal { throw refusal }
    }

    /// Whether a copy of a message, which a broker sends for some filters, is the one that a subscription reads.
    ///
    /// It is of what its filters bring, and of nothing else. One that has waited in the session may be for filters of an earlier
    /// configuration alone: then a subscription reads it for which the broker had no filter that sends another copy.
    private func isCopy(_ message: MQTTMessage, for subscription: Subscription) -> Bool {
        if message.subscriptions.contains(subscription.identifier) { return true }
        guard identifiers.isDisjoint(with: message.subscriptions) else { return false }
        return !earlier.contains(subscription.identifier) || !earlier.isSuperset(of: message.subscriptions)
    }

    private mutating func read(
        _ message: MQTTMessage, _ layout: MessageLayout, _ subscription: Subscription, _ arrival: Arrival,
        into batch: inout Batch
    ) throws(Refusal) {
        let device = devices[subscription.device]
        if message.payload.isEmpty { return clear(message, layout, subscription.device, arrival, into: &batch) }
        let items: [MessageLayout.Contents]
        do {
            items = try layout.readAll(message.payload, into: &batch)
        } catch {
            throw .malformed(device: device.name, error)
        }
        if items.isEmpty { try greet(message, device, subscription.device, arrival, into: &batch) }
        var refusal: Refusal?
        for item in items {
            do throws(Refusal) {
                try take(item, of: message, subscription, arrival, into: &batch)
            } catch {
                refusal = error.isMoreTelling(than: refusal) ? error : refusal
            }
        }
        if let refusal { throw refusal }
    }

    /// A list with nothing in it has no news, but somebody sent it.
    private mutating func greet(
        _ message: MQTTMessage, _ device: MQTTDevice, _ index: Int, _ arrival: Arrival, into batch: inout Batch
    ) throws(Refusal) {
        let id = try id(of: message, MessageLayout.Contents(), device).id
        guard !message.retained, let number = known[index][id]?.number,
            let change = known[index][id]?.hear(arrival)
        else { return }
        batch.append(change, device: number, time: arrival.time)
    }

    /// A message without content removes what a broker has retained (MQTT 5.0, 3.3.1.3): there is no value any more.
    private mutating func clear(
        _ message: MQTTMessage, _ layout: MessageLayout, _ index: Int, _ arrival: Arrival, into batch: inout Batch
    ) {
        guard let id = try? id(of: message, MessageLayout.Contents(), devices[index]).id, let one = known[index][id]
        else {
            return
        }
        for point in layout.points {
            batch.readings.append(
                Reading(series: one.series[point], time: arrival.time, value: .none, quality: .absent))
        }
        batch.closeTelemetry(device: one.number, time: arrival.time)
    }

    private mutating func take(
        _ contents: MessageLayout.Contents, of message: MQTTMessage, _ subscription: Subscription, _ arrival: Arrival,
        into batch: inout Batch
    ) throws(Refusal) {
        let index = subscription.device
        let device = devices[index]
        let (id, text) = try id(of: message, contents, device)
        if device.isMany, known[index][id] == nil {
            if let allows = device.allows, !allows(text), !allows(text.replacing("/", with: ".")) {
                throw .notAllowed(device: device.name)
            }
            // Another product behind the same wildcard.
            if !contents.isIdentified || contents.values.isEmpty { throw .notOfMap(device: device.name) }
        }
        let one = try self.device(
            index, id, on: message.topic, arrival, hasReadings: !contents.values.isEmpty, into: &batch)
        let ownTime = time(of: message, contents, index, id, arrival)
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
        // A message with none of the points says nothing of them: they would look as fresh as it is.
        let isHeard = !message.retained && subscription.provesLife && !contents.values.isEmpty
        let change = isHeard ? known[index][id]?.hear(arrival) : nil
        let isTimeRefused = known[index][id]?.isTimeRefused ?? false
        batch.closeTelemetry(
            device: one.number, time: time,
            origin: Origin(isRedelivered: message.redelivered, isTimeRefused: isTimeRefused))
        if let change { batch.append(change, device: one.number, time: arrival.time) }
        if contents.values.isEmpty { throw .nothing }
    }

    // MARK: Presence

    private mutating func read(
        _ message: MQTTMessage, _ presence: PresenceTopic, _ subscription: Subscription, _ arrival: Arrival,
        into batch: inout Batch
    ) throws(Refusal) {
        let index = subscription.device
        if message.payload.isEmpty { return }
        let id = try id(of: message, MessageLayout.Contents(), devices[index]).id
        guard let isOnline = presence.isOnline(message.payload) else {
            throw .unknownPresence(device: devices[index].name)
        }
        // Of what a wildcard brings, nobody knows yet whether it is this product.
        expect(index)
        guard let one = known[index][id] else { return }
        if isOnline {
            known[index][id]?.interval.greet(at: arrival.instant)
            guard let change = known[index][id]?.presence.answered(at: arrival.time) else { return }
            batch.append(change, device: one.number, time: arrival.time)
        } else {
            cutOff(index, id, since: arrival.time, .death, at: arrival.time, into: &batch)
        }
    }

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
        guard known[index].isEmpty, !device.isMany else { return }
        known[index][device.name] = make(device, device.name, on: device.topic)
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

    /// The id of a device, and what the message says of it.
    private func id(
        of message: MQTTMessage, _ contents: MessageLayout.Contents, _ device: MQTTDevice
    ) throws(Refusal) -> (id: String, text: String) {
        // A single device keeps the name that the configuration gives it.
        guard let identity = device.form.id, device.isMany else { return (device.name, device.name) }
        let isWild = TopicFilter.hasWildcard(device.topic)
        guard let parts = identity.parts(of: isWild ? message.topic : nil, contents.id) else {
            throw .noID(device: device.name)
        }
        let text = parts.joined(separator: "/")
        return (DeviceID.id(device.naming.map { [$0(text)] } ?? parts, of: device.name), text)
    }

    /// - Parameter hasReadings: whether something is lost where there is no place for it.
    private mutating func device(
        _ index: Int, _ id: String, on topic: String, _ arrival: Arrival, hasReadings: Bool, into batch: inout Batch
    ) throws(Refusal) -> Known {
        let device = devices[index]
        if let one = known[index][id] {
            known[index][id]?.lastMessage = arrival.instant
            let isSame = device.topic.hasSuffix("#") ? topic == one.topic : Self.isBelow(topic, one.topic)
            if device.isMany, !isSame { warnOfMerging(one, topic, device) }
            return one
        }
        if known[index].count >= device.maxDevices, !forgetOne(index, arrival, into: &batch) {
            if hasReadings { unplaced += 1 }
            throw .tooManyDevices(device: device.name)
        }
        var one = make(device, id, on: ownTopic(topic, of: device))
        one.lastMessage = arrival.instant
        known[index][id] = one
        return one
    }

    private func make(_ device: MQTTDevice, _ id: String, on topic: String) -> Known {
        let number = catalog.number(
            of: Device(id: id, map: device.map.name, mapVersion: device.map.version, tags: device.tags))
        let series = collector.add(device.map.points, of: number, catalog)
        return Known(
            number: number, id: id, series: series, interval: UsualInterval(device.form.silence), lastMessage: .now,
            topic: topic)
    }

    /// Makes room for a device: the one that was not heard of for the longest time goes, where that is long enough.
    private mutating func forgetOne(_ index: Int, _ arrival: Arrival, into batch: inout Batch) -> Bool {
        // No device can be forgotten before that time. Otherwise each message of an unknown device would search all devices.
        if let next = nextForgotten[index], arrival.instant < next { return false }
        guard let (id, one) = known[index].min(by: { $0.value.lastMessage < $1.value.lastMessage }) else {
            return false
        }
        let end = one.lastMessage.advanced(by: .microseconds(devices[index].forgetAfter))
        guard end <= arrival.instant else {
            nextForgotten[index] = end
            return false
        }
        cutOff(index, id, since: one.heard ?? arrival.time, .silent, at: arrival.time, into: &batch)
        known[index][id] = nil
        return true
    }

    /// The part of a topic that is the device's own.
    private func ownTopic(_ topic: String, of device: MQTTDevice) -> String {
        if device.topic.hasSuffix("#") { return topic }
        let count = device.topic.utf8.count { $0 == UInt8(ascii: "/") } + 1
        let levels = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return levels.prefix(count).compactMap { String($0) }.joined(separator: "/")
    }

    private static func isBelow(_ topic: String, _ own: String) -> Bool {
        let rest = topic.utf8.dropFirst(own.utf8.count)
        return topic.utf8.starts(with: own.utf8) && (rest.isEmpty || rest.first == UInt8(ascii: "/"))
    }

    private func warnOfMerging(_ one: Known, _ topic: String, _ device: MQTTDevice) {
        // Where ids are pseudonyms, topics must not be shown: they contain the ids.
        let isPrivate = device.naming != nil
        warnings.warn(
            .devicesMerged, of: one.id + (isPrivate ? "" : ": \(one.topic) and \(ownTopic(topic, of: device))"),
            "messages of two topics have the same device ID",
            next: "if two devices send them, use more levels in `id` of the map, for example { levels: [2, 3] }")
    }

    /// Events that were lost as there was no place for their devices, since the last call.
    mutating func takeUnplaced() -> Int {
        defer { unplaced = 0 }
        return unplaced
    }
}

extension MessageRouter.Known {
    fileprivate mutating func hear(_ arrival: MessageRouter.Arrival) -> StatusChange? {
        interval.hear(at: arrival.instant)
        heard = arrival.time
        return presence.answered(at: arrival.time)
    }
}
