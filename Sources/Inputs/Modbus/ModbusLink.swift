// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Logging
import Modbus
import Waiting

/// Polls the devices of one line or endpoint.
///
///     schedule ─▶ requests ─▶ libmodbus ─▶ registers ─▶ decode ─▶ batch ─▶ collector
///                    orders ─────┘
///
/// Serialises everything on the link: a bus carries one request at a time, so units on it share this actor. It runs on
/// a queue of its own and blocks there; a dead link delays no other.
public actor ModbusLink {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let settings: ModbusLinkSettings
    private let collector: any Collecting
    private let logger: Logger
    private var connection: ModbusConnection
    private var pollers: [DevicePoller]
    private var turns: LinkTurns
    /// Nil where nothing on the link may be written.
    private let writes: WriteQueue?
    private var wasWrite = false
    /// Units that are to say themselves what they have, and what is made of it.
    private var seekers: [SunSpecSeeker]
    /// Of those that have said it.
    private var satisfied: [DeviceNumber: SunSpecSeeker] = [:]
    private let describe: @Sendable (SunSpecDevice, SunSpecFound) -> ModbusDevice?
    private var wasSought = false
    /// Handed from poll to poll: where none is interrupted, one is enough, and stays in the processor's cache.
    private var spare = Batch()
    private let remember: @Sendable (Finding) -> Void
    /// What the plans are made for, and when it is looked at again.
    private var cost: RequestCost
    private var looksAtCost = ContinuousClock.now

    /// What a link has shown that nobody has said.
    public enum Finding: Sendable {
        case device(String, Learned)
        case cost(RequestCost)
    }

    /// - Parameters:
    ///   - describe: makes a device with points of what a SunSpec one says that it has; nil where there is none to be read.
    ///   - remember: is told what is worth being known after the next start.
    public init(
        _ settings: ModbusLinkSettings, collector: any Collecting, writes: WriteQueue? = nil, logger: Logger,
        describe: @escaping @Sendable (SunSpecDevice, SunSpecFound) -> ModbusDevice? = { _, _ in nil },
        remember: @escaping @Sendable (Finding) -> Void
    ) {
        executor = BlockingExecutor(label: "headgate.modbus.\(settings.name)")
        var logger = logger
        logger[metadataKey: "link"] = "\(settings.name)"
        self.settings = settings
        self.collector = collector
        self.logger = logger
        self.describe = describe
        self.remember = remember
        self.writes = writes
        connection = ModbusConnection(settings, logger: logger)
        let now = ContinuousClock.now
        let cost = settings.cost ?? RequestCost(settings.endpoint)
        self.cost = cost
        pollers = settings.devices.map { DevicePoller($0, link: settings.name, cost: cost, start: now) }
        turns = LinkTurns(pollers.map(\.wish), now: now)
        seekers = settings.sunSpec.map { SunSpecSeeker($0, at: now) }
    }

    /// Polls until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let next = turns.next(at: now)
            if writes != nil, !wasWrite || next == nil, write(at: now) { continue }
            wasWrite = false
            if !seekers.isEmpty, !wasSought || next == nil, seek(at: now) { continue }
            wasSought = false
            guard let unit = next else {
                guard await sleep() else { break }
                continue
            }
            let silent = turns.silent
            // The one that is asked may be the next of them.
            let others = silent < pollers.count ? max(1, silent) : 0
            if !pollers[unit].isUnderWay { swap(&pollers[unit].batch, &spare) }
            let (generation, presence) = (connection.generation, pollers[unit].presence)
            let step = pollers[unit].step(over: &connection, silent: others)
            // Somebody else may be at the other end of a new connection, with other registers in the same places.
            let isNew = !satisfied.isEmpty && connection.generation != generation
            if isNew, satisfied[pollers[unit].device.number] != nil {
                pollers[unit].presence = presence
                seekAgain { _ in true }
                continue
            }
            if case .over(let change) = step {
                if let change { log(change, of: pollers[unit].device) }
                if let learned = pollers[unit].takeLearned() { note(learned, of: pollers[unit].device) }
                collector.take(&pollers[unit].batch)
                swap(&pollers[unit].batch, &spare)
                if looksAtCost <= now { lookAtCost() }
            }
            let done = ContinuousClock.now
            turns.had(unit, for: now.duration(to: done), wants: pollers[unit].wish, now: done)
            if isNew || !satisfied.isEmpty && !pollers[unit].isUnderWay && pollers[unit].presence.isSilent {
                let silent = pollers[unit].device.number
                seekAgain { isNew || $0.device.number == silent }
            }
        }
        writes?.close()
        connection.close()
    }

    /// Until a poll falls due, or an order comes.
    /// - Returns: false where neither ever does.
    private func sleep() async -> Bool {
        let due = [turns.nextDue, seekers.lazy.map(\.due).min()].compactMap(\.self).min()
        guard let writes else {
            guard let due else { return false }
            try? await Task.sleep(until: due, tolerance: .milliseconds(1))
            return true
        }
        await writes.bell.wait(until: [due, writes.nextDue].compactMap(\.self).min())
        return true
    }

    /// - Returns: false where no order is due.
    private func write(at now: ContinuousClock.Instant) -> Bool {
        guard var job = writes?.take(at: now) else { return false }
        wasWrite = true
        if job.step(over: &connection) { writes?.finished() } else { writes?.putBack(job) }
        return true
    }

    private func note(_ learned: Learned, of device: ModbusDevice) {
        logger.notice(
            "learned what the map does not say: headgate plan shows it",
            metadata: [
                "device": "\(device.id)", "refused": "\(learned.refused.keys.sorted().joined(separator: ","))",
                "registers": "\(learned.registers.map(String.init) ?? "-")", "tight": "\(learned.tight.count)",
                "pause": "\(learned.pause.map { "\($0 / 1_000) ms" } ?? "-")",
            ])
        remember(.device(device.id, learned))
    }

    /// Once a minute: what requests take by now is what plans are made for.
    private func lookAtCost() {
        guard let measured = connection.trips.cost else { return }
        looksAtCost = .now + .seconds(60)
        guard measured.differs(from: cost) else { return }
        cost = measured
        for index in pollers.indices { pollers[index].replan(measured) }
        remember(.cost(measured))
    }

    private func log(_ change: StatusChange, of device: ModbusDevice) {
        switch change.state {
        case .online: logger.notice("device online", metadata: ["device": "\(device.id)"])
        case .offline:
            logger.warning("device offline", metadata: ["device": "\(device.id)", "reason": "\(change.reason.name)"])
        }
    }
}

// MARK: Devices that describe themselves

extension ModbusLink {
    /// - Returns: false where nobody is to be asked now.
    private func seek(at now: ContinuousClock.Instant) -> Bool {
        guard let place = seekers.firstIndex(where: { $0.due <= now }) else { return false }
        wasSought = true
        switch seekers[place].step(over: &connection, silent: turns.silent + seekers.count) {
        case .partly: break
        case .failed(let change): tell(change, of: seekers[place])
        case .found(let found): begin(place, found)
        }
        return true
    }

    private func begin(_ place: Int, _ found: SunSpecFound) {
        let unit = seekers[place].device
        let models = found.models.map { "\($0.number)" }.joined(separator: " ")
        guard let device = describe(unit, found) else {
            let change = seekers[place].refuse(at: .now)
            if change != nil {
                logger.error(
                    "none of the device's models is known", metadata: ["device": "\(unit.id)", "models": "\(models)"])
            }
            return tell(change, of: seekers[place])
        }
        let seeker = seekers.remove(at: place)
        if seeker.last?.points.map(\.series) != device.points.map(\.series) {
            logger.notice(
                "device has said what it has",
                metadata: ["device": "\(unit.id)", "models": "\(models)", "points": "\(device.points.count)"])
            withdraw(seeker.last, but: device)
        }
        satisfied[unit.number] = seeker
        pollers.append(
            DevicePoller(device, link: settings.name, cost: cost, presence: seeker.presence, start: .now))
        turns = LinkTurns(pollers.map(\.wish), now: .now)
    }

    /// What it had before and has no more.
    private func withdraw(_ last: ModbusDevice?, but device: ModbusDevice) {
        let kept = Set(device.points.map(\.series))
        var batch = Batch()
        for point in last?.points ?? [] where !kept.contains(point.series) {
            batch.readings.append(.bad(point.series, time: .now, .withdrawn))
        }
        batch.closeTelemetry(device: device.number, time: .now)
        collector.take(&batch)
    }

    private func tell(_ change: StatusChange?, of seeker: SunSpecSeeker) {
        guard let change else { return }
        logger.warning(
            "device offline", metadata: ["device": "\(seeker.device.id)", "reason": "\(change.reason.name)"])
        var batch = Batch()
        for point in seeker.last?.points ?? [] { batch.readings.append(.bad(point.series, time: .now, .offline)) }
        batch.closeTelemetry(device: seeker.device.number, time: .now)
        batch.append(change, device: seeker.device.number, time: .now)
        collector.take(&batch)
    }

    /// Who did not answer may come back as another, with other registers in the same places.
    private func seekAgain(where isMeant: (DevicePoller) -> Bool) {
        let now = ContinuousClock.now
        for place in pollers.indices.reversed() where isMeant(pollers[place]) {
            guard var seeker = satisfied.removeValue(forKey: pollers[place].device.number) else { continue }
            let gone = pollers.remove(at: place)
            seeker.begin(after: gone.device, gone.presence, at: now)
            seekers.append(seeker)
        }
        turns = LinkTurns(pollers.map(\.wish), now: now)
    }
}
