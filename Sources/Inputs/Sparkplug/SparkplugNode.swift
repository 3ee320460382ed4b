// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Sparkplug

/// One edge node and the devices behind it, from its birth on (Sparkplug 3.0.0, 5 and 6.4).
package struct SparkplugNode {
    /// Why a message gave nothing, or not all.
    package enum Refusal: String, Error, CaseIterable {
        case malformed
        /// A compressed payload: it has a body instead of metrics (Sparkplug 3.0.0, 6.4.4).
        case unreadable
        /// Kept by a broker for nobody knows how long, which Sparkplug does not allow (Sparkplug 3.0.0, 5.17).
        case retained
        /// It says something of what no birth has told of.
        case unborn
        /// The death of an earlier life than the present one.
        case staleDeath = "stale_death"
        /// A birth that its own death has overtaken.
        case staleBirth = "stale_birth"
        case tooManyDevices = "too_many_devices"
    }

    /// The most devices of one node.
    static let mostDevices = 1_000
    /// So long after its node's a device's birth may come before the device is taken for gone.
    private static let patience = Duration.seconds(30)
    /// Messages of different topics overtake one another by no more.
    private static let reorder = Duration.seconds(1)
    /// Who is asked for a birth and says nothing for so long is gone.
    private static let longestSilence = Duration.seconds(60)

    private let device: SparkplugDevice
    private let catalog: Catalog
    private let room: SparkplugRoom
    private var own: SparkplugBody
    private var devices: [String: SparkplugBody] = [:]
    private var sequence: SparkplugSequence
    /// Which life the present one is, where its birth says so.
    private var life: UInt64?
    /// Until when its devices may be born after it.
    private var devicesAwaitedUntil: ContinuousClock.Instant?
    private var died: (life: UInt64?, at: ContinuousClock.Instant)?
    private var heard: ContinuousClock.Instant?
    /// Whether and when the node is to be asked to be born again.
    var rebirth = SparkplugRebirth()

    init(_ name: SparkplugNodeName, of device: SparkplugDevice, _ catalog: Catalog, _ room: SparkplugRoom) {
        self.device = device
        self.catalog = catalog
        self.room = room
        sequence = SparkplugSequence(birth: nil, reorderTimeout: device.reorderTimeout)
        var id = device.name
        if device.pattern.group == "+" { id = DeviceID.part(name.group, of: id) }
        if device.pattern.node == "+" { id = DeviceID.part(name.node, of: id) }
        own = SparkplugBody(device.described(id), catalog, room)
    }

    /// Of the node and its devices: metrics of the last births that are not read.
    var unread: Int { devices.values.reduce(own.unreadCount) { $0 + $1.unreadCount } }

    // MARK: Messages

    mutating func take(
        _ topic: SparkplugTopic, _ payload: SparkplugPayload, isRedelivered: Bool = false,
        at now: MessageRouter.Arrival, into batch: inout Batch
    ) throws(Refusal) {
        if topic.kind == .nodeDeath { return try die(payload, at: now, into: &batch) }
        heard = now.instant
        if topic.kind != .nodeBirth, let number = payload.sequence {
            sequence.note(UInt8(truncatingIfNeeded: number), at: now.instant)
        }
        guard !payload.isOpaque else {
            // As an empty birth it would withdraw every metric.
            rebirth.want(at: now.instant)
            throw .unreadable
        }
        if topic.kind == .nodeBirth { try beginLife(payload, at: now.instant) }
        let isNew = topic.device.map { devices[$0] == nil } ?? false
        guard own.isBorn, !isNew || topic.kind == .deviceBirth else { throw unborn(at: now.instant) }
        guard var body = body(of: topic.device) else { throw .tooManyDevices }
        defer { keep(body, of: topic.device) }
        switch topic.kind {
        case .deviceDeath: body.die(payload, at: now.time, into: &batch)
        case .nodeBirth, .deviceBirth:
            let time = SparkplugBody.MessageTime(payload, arrival: now.time).told
            for series in body.bear(payload.metrics) { batch.readings.append(.bad(series, time: time, .withdrawn)) }
            _ = hear(payload, of: &body, Origin(isRedelivered: isRedelivered), at: now, into: &batch)
        default:
            guard body.isBorn, hear(payload, of: &body, Origin(isRedelivered: isRedelivered), at: now, into: &batch)
            else { throw unborn(at: now.instant) }
        }
    }

    private mutating func unborn(at now: ContinuousClock.Instant) -> Refusal {
        rebirth.want(at: now)
        return .unborn
    }

    private func body(of device: String?) -> SparkplugBody? {
        guard let device else { return own }
        return devices[device] ?? newDevice(device)
    }

    private mutating func keep(_ body: SparkplugBody, of device: String?) {
        if let device { devices[device] = body } else { own = body }
    }

    private func newDevice(_ name: String) -> SparkplugBody? {
        guard devices.count < Self.mostDevices, room.take(SparkplugRoom.device(named: own.id + name)) else {
            return nil
        }
        return SparkplugBody(device.described(DeviceID.part(name, of: own.id)), catalog, room)
    }

    /// What was said in an earlier life means nothing any more, and the devices are to be born again.
    private mutating func beginLife(_ birth: SparkplugPayload, at now: ContinuousClock.Instant) throws(Refusal) {
        let life = Self.life(birth)
        if let died, died.life != nil, died.life == life, died.at.duration(to: now) < Self.reorder {
            // If it is there after all it is asked.
            rebirth.want(at: now)
            throw .staleBirth
        }
        self.life = life
        sequence = SparkplugSequence(
            birth: birth.sequence.map { UInt8(truncatingIfNeeded: $0) }, reorderTimeout: device.reorderTimeout)
        rebirth.end()
        for name in devices.keys { devices[name]?.isBorn = false }
        devicesAwaitedUntil = now + Self.patience
        own.isBorn = true
    }

    /// Puts what a body says into the batch.
    /// - Returns: whether births have told of all of it.
    private func hear(
        _ payload: SparkplugPayload, of body: inout SparkplugBody, _ origin: Origin, at now: MessageRouter.Arrival,
        into batch: inout Batch
    ) -> Bool {
        var time = SparkplugBody.MessageTime(payload, arrival: now.time)
        let isKnown = payload.metrics.reduce(true) { isKnown, metric in
            body.read(metric, at: &time, isWhole: sequence.isWhole, into: &batch) && isKnown
        }
        var origin = origin
        origin.isTimeRefused = time.isRefused
        let change = body.presence.answered(at: now.time)
        batch.closeTelemetry(device: body.number, time: time.told, origin: origin)
        if let change { batch.append(change, device: body.number, time: now.time) }
        return isKnown
    }

    // MARK: Deaths

    private mutating func die(
        _ death: SparkplugPayload, at now: MessageRouter.Arrival, into batch: inout Batch
    ) throws(Refusal) {
        // The broker sends a will late where a network was lost; the node may be back by then, in another life.
        if let life, let ended = Self.life(death), ended != life { throw .staleDeath }
        cutOff(since: now.time, .death, at: now.time, into: &batch)
        died = (Self.life(death), now.instant)
        // Whoever was asked goes on being asked: the death may be an old one, and the birth behind it lost.
    }

    /// The metric that births and deaths have in common (Sparkplug 3.0.0, 6.4.19).
    private static func life(_ payload: SparkplugPayload) -> UInt64? {
        switch payload.metrics.first(where: { $0.name == "bdSeq" })?.raw {
        case .int(let number): UInt64(number)
        case .long(let number): number
        default: nil
        }
    }

    mutating func cutOff(since: Timestamp, _ reason: Reason, at time: Timestamp, into batch: inout Batch) {
        own.cutOff(since: since, reason, at: time, into: &batch)
        for name in devices.keys.sorted() {
            devices[name]?.cutOff(since: since, reason, at: time, into: &batch)
        }
    }

    // MARK: Time

    /// Whoever was not born again is gone; what is missing for too long is lost.
    /// - Returns: how many messages are lost.
    mutating func tick(_ now: MessageRouter.Arrival, into batch: inout Batch) -> Int {
        if let until = devicesAwaitedUntil, until < now.instant {
            devicesAwaitedUntil = nil
            for name in devices.keys.sorted() where devices[name]?.isBorn == false {
                devices[name]?.cutOff(since: now.time, .death, at: now.time, into: &batch)
            }
        }
        let before = sequence.lost
        if own.isBorn, sequence.needsBirth(at: now.instant) { rebirth.want(at: now.instant) }
        if let since = rebirth.askedSince, since.duration(to: now.instant) > Self.longestSilence,
            heard.map({ $0 <= since }) ?? true, own.isBorn || !own.presence.isOffline
        {
            cutOff(since: now.time, .silent, at: now.time, into: &batch)
        }
        return sequence.lost - before
    }

    /// The link was interrupted: what it sent meanwhile is lost, as nobody keeps it.
    mutating func interrupt(at now: ContinuousClock.Instant) {
        sequence.interrupt()
        rebirth = SparkplugRebirth()
        rebirth.want(at: now)
    }
}

/// When a node is asked to be born again: at once, then ever more seldom, also of one whose births leave out what it sends.
struct SparkplugRebirth {
    private static let first = Duration.seconds(5)
    private static let longest = Duration.seconds(300)

    private var isWanted = false
    /// When it was asked first for the birth that is wanted.
    private(set) var askedSince: ContinuousClock.Instant?
    private var due: ContinuousClock.Instant?
    private var askedAt: ContinuousClock.Instant?
    private var pause = first

    mutating func want(at now: ContinuousClock.Instant) {
        guard !isWanted else { return }
        isWanted = true
        due = askedAt.map { max(now, $0 + pause) } ?? now
    }

    /// Whether it is time to ask.
    mutating func take(at now: ContinuousClock.Instant) -> Bool {
        guard let due, due <= now else { return false }
        let isNews = askedAt.map { $0.duration(to: now) > Self.longest * 2 } ?? true
        pause = isNews ? Self.first : min(pause * 2, Self.longest)
        askedAt = now
        askedSince = askedSince ?? now
        self.due = now + pause
        return true
    }

    /// It is born.
    mutating func end() {
        isWanted = false
        askedSince = nil
        due = nil
    }
}
