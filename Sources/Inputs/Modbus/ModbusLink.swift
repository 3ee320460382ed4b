// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
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
/// a thread of its own and blocks there; a dead link delays no other.
public actor ModbusLink {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let settings: ModbusLinkSettings
    let collector: any Collecting
    let logger: Logger
    var connection: ModbusConnection
    var pollers: [DevicePoller]
    var turns: LinkTurns
    /// Nil where nothing on the link may be written.
    private let writes: WriteQueue?
    private var wasWrite = false
    /// Sleeping is done on the link's own thread: to wake up is one change of threads then, and not four.
    private let bell: ThreadBell
    /// Units that are to say themselves what they have, and what is made of it.
    var seekers: [SunSpecSeeker]
    /// How often in a row a device that was asked again what it has has said the same.
    var sameAgain = 0
    private static let fewestSame = 3
    /// Of those that have said it.
    var satisfied: [DeviceNumber: SunSpecSeeker] = [:]
    let describe: @Sendable (SunSpecDevice, SunSpecFound) -> ModbusDevice?
    var wasSought = false
    /// Handed from poll to poll: where none is interrupted, one is enough, and stays in the processor's cache.
    private var spare = Batch()
    private let remember: @Sendable (Finding) -> Void
    /// What the plans are made for, and when it is looked at again.
    var cost: RequestCost
    private var looksAtCost = Moment.now

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
        executor = BlockingExecutor(label: "modbus.\(settings.name)")
        var logger = logger
        logger[metadataKey: "link"] = "\(settings.name)"
        self.settings = settings
        self.collector = collector
        self.logger = logger
        self.describe = describe
        self.remember = remember
        self.writes = writes
        bell = writes?.bell ?? ThreadBell()
        connection = ModbusConnection(settings, logger: logger)
        let now = Moment.now
        let cost = settings.cost ?? RequestCost(settings.endpoint)
        self.cost = cost
        pollers = settings.devices.map {
            DevicePoller($0, link: settings.name, cost: cost, settings: settings, start: now)
        }
        turns = LinkTurns(pollers.map(\.wish), now: now)
        seekers = settings.sunSpec.map { SunSpecSeeker($0, at: now) }
    }

    /// Polls until the task is cancelled.
    public func run() async {
        await withTaskCancellationHandler {
            poll()
        } onCancel: {
            bell.ring()
        }
        writes?.close()
        connection.close()
    }

    private func poll() {
        var now = Moment.now
        while !Task.isCancelled {
            let next = turns.next(at: now)
            if doElse(before: next, at: now) {
                now = .now
                continue
            }
            guard let unit = next else {
                sleep()
                now = .now
                continue
            }
            let silent = turns.silent
            // The one that is asked may be the next of them.
            let others = silent < pollers.count ? max(1, silent) : 0
            if !pollers[unit].isUnderWay { swap(&pollers[unit].batch, &spare) }
            let (generation, renewals) = (connection.generation, connection.renewals)
            let presence = pollers[unit].presence
            let step = pollers[unit].step(over: &connection, at: now, silent: others)
            // Somebody else may be at the other end of a new connection, with other registers in the same places.
            // Not where the device is known to close its connections.
            let made = connection.generation - generation
            let areExpected = sameAgain >= Self.fewestSame && made == connection.renewals - renewals
            let isNew = !satisfied.isEmpty && made > 0 && !areExpected
            if isNew, satisfied[pollers[unit].device.number] != nil {
                pollers[unit].presence = presence
                seekAgain { _ in true }
                now = .now
                continue
            }
            if case .over(let change) = step {
                if let change { log(change, of: pollers[unit].device.id) }
                if let learned = pollers[unit].takeLearned() { note(learned, of: pollers[unit].device) }
                collector.take(&pollers[unit].batch)
                swap(&pollers[unit].batch, &spare)
                if looksAtCost <= now { lookAtCost() }
            }
            let done = Moment.now
            turns.had(unit, since: now, wants: pollers[unit].wish, now: done)
            now = done
            if isNew || !satisfied.isEmpty && !pollers[unit].isUnderWay && pollers[unit].presence.isSilent {
                let silent = pollers[unit].device.number
                seekAgain { isNew || $0.device.number == silent }
            }
        }
    }

    /// Orders, and units that are to say what they have: each time at most one of them before a poll that is due.
    /// - Returns: whether the link was busy with one.
    private func doElse(before next: Int?, at now: Moment) -> Bool {
        if writes != nil, !wasWrite || next == nil, write(at: now) { return true }
        wasWrite = false
        if !seekers.isEmpty, !wasSought || next == nil, seek(at: now) { return true }
        wasSought = false
        return false
    }

    /// Until a poll falls due, an order comes, or it is to stop.
    private func sleep() {
        let due = [turns.nextDue, seekers.lazy.map(\.due).min(), writes?.nextDue].compactMap(\.self).min()
        bell.wait(nanoseconds: due.map { $0.nanoseconds(since: .now) })
    }

    /// - Returns: false where no order is due.
    private func write(at now: Moment) -> Bool {
        guard var job = writes?.take(at: now) else { return false }
        wasWrite = true
        if job.step(over: &connection) { writes?.finished() } else { writes?.putBack(job) }
        return true
    }

    private func note(_ learned: Learned, of device: ModbusDevice) {
        logger.notice(
            "learned something that the map does not contain: headgate plan shows it",
            metadata: [
                "device": "\(device.id)", "refused": "\(learned.refused.keys.sorted().joined(separator: ","))",
                "registers": "\(learned.registers.map(String.init) ?? "-")", "tight": "\(learned.tight.count)",
                "turnaround_delay": "\(learned.pause.map { "\($0 / 1_000) ms" } ?? "-")",
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

    func log(_ change: StatusChange, of device: String) {
        switch change.state {
        case .online: logger.notice("device online", metadata: ["device": "\(device)"])
        case .offline:
            logger.warning(
                .deviceOffline, "The device is offline",
                metadata: ["device": "\(device)", "reason": "\(change.reason.name)"])
        }
    }
}
