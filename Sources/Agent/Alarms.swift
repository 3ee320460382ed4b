// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Logging
import Metrics
import Outbox
import Pipeline
import Synchronization

/// Watches all readings by the rules of the configuration; what comes of it goes down the critical lane.
///
/// One for the gateway, as a rule may look at several devices: collectors tell it of their batches before any filter.
final class Alarms: Sendable {
    private struct KnownDevice {
        var number: DeviceNumber
        var points: [String: (series: SeriesNumber, point: AlarmRule.KnownPoint)] = [:]
    }

    private struct State {
        var rules: Rules
        /// How far the system's clock was set until it was last looked at.
        var clockWasSetBy: Int64 = 0
        /// How many notes have been written since the start.
        var notes = 0
        /// How much those are that have come since a state was kept.
        var notedBytes = 0
        var devices: [String: KnownDevice] = [:]
        /// Those whose rules are to be looked for.
        var changed: Set<String> = []
    }

    /// How late at most it is noticed that something is missing.
    private static let tick = Duration.milliseconds(250)
    /// What has been learnt since is learnt again after a crash.
    private static let baselineInterval = Duration.seconds(60)
    /// What has been heard since is forgotten after a crash; what is much is kept less often, for the disk's sake.
    private static let stateInterval = Duration.seconds(10)
    private static let stateBytesPerSecond = 4_096
    /// Notes are kept until a state includes them: once they are more than this and than the state, one is kept.
    private static let mostNotedBytes = 1 << 20
    /// How often it is looked whether rules can raise an alarm; what is so for five minutes is reported.
    private static let inspectionInterval = Duration.seconds(10)

    /// Where what rules know is kept over a stop.
    struct Keeper: Sendable {
        /// Keeps their state, with how many notes it includes.
        var keep: @Sendable ([UInt8], Int) -> Void
        /// Notes readings that came since.
        var note: @Sendable ([UInt8]) -> Void
    }

    private let rules: [AlarmRule]
    private let gateway: String
    private let catalog: Catalog
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    /// Nil in a trial.
    private let clock: SystemClock?
    private let offer: @Sendable (Batch) -> Bool
    private let baselines: BaselineFile?
    private let warnings: any WarningSink
    private let keeper: Keeper?
    /// What is taken away before rules see it, in a word that is another where that is.
    private let minimised: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - minimised: what is taken away before rules see it, in a word that is another where that is.
    ///   - warnings: where rules are reported that can raise no alarm.
    ///   - keeper: where what they know is kept; nil for nowhere.
    ///   - clock: tells whether the system's clock was set, which collectors look at before they note readings; nil in a trial.
    ///   - offer: takes alarms for the critical lane; false where they are lost.
    init(
        rules: [AlarmRule], gateway: String, catalog: Catalog, logger: Logger, baselines: BaselineFile? = nil,
        minimised: String = "", warnings: any WarningSink = NoWarnings(), keeper: Keeper? = nil,
        clock: SystemClock? = nil, now: @escaping @Sendable () -> Timestamp = { .now },
        offer: @escaping @Sendable (Batch) -> Bool
    ) {
        self.rules = rules
        self.gateway = gateway
        self.catalog = catalog
        self.logger = logger
        self.clock = clock
        self.now = now
        self.offer = offer
        self.baselines = baselines
        self.minimised = minimised
        self.warnings = warnings
        self.keeper = keeper
        state = Mutex(
            State(rules: Rules(hasNotes: keeper != nil) { baselines?.baseline($0, $1, catalog.contents) }))
    }

    /// Goes on from where rules were when the gateway stopped: with the state that was kept last, the alarms that were
    /// active, and the readings that were noted since. State and notes from before `privacy` changed are left out: they
    /// may hold what is now taken away.
    func restore(
        state kept: [UInt8]?, notes: [[UInt8]], active: [ActiveAlarm], _ devices: [Configuration.ConfiguredDevice],
        _ minimising: Minimising
    ) {
        // Of no rules nothing is kept on.
        if rules.isEmpty, kept != nil || !notes.isEmpty { keeper?.keep([], 0) }
        guard !rules.isEmpty else { return restore(active, devices) }
        attempt {
            guard let kept = try kept.flatMap(current) else { return }
            try state.withLock { try $0.rules.restore(kept, at: now()) }
        }
        restore(active, devices)
        expect(devices, minimising)
        attempt {
            let notes = try notes.compactMap(current)
            try state.withLock { state throws(MalformedBytes) in
                bind(&state, now())
                try state.rules.replay(notes, at: now())
            }
        }
    }

    private func attempt(_ restore: () throws -> Void) {
        do { try restore() } catch {
            logger.warning(
                .ruleStateUnreadable, "Saved rule state cannot be read; rules start fresh",
                metadata: ["error": "\(error)"])
        }
    }

    /// What is kept, with what was minimised then.
    private func labelled(_ bytes: [UInt8]) -> [UInt8] {
        var out = ByteWriter()
        out.string(minimised)
        out.raw(bytes)
        return out.bytes
    }

    /// Nil where something else was minimised then.
    private func current(_ labelled: [UInt8]) throws -> [UInt8]? {
        var reader = ByteReader(labelled)
        return try reader.string() == minimised ? Array(try reader.raw(reader.remaining)) : nil
    }

    /// Goes on with the alarms that were under way when the gateway stopped; ends those that nobody watches any more.
    private func restore(_ active: [ActiveAlarm], _ devices: [Configuration.ConfiguredDevice]) {
        var ended = Batch()
        let contents = catalog.contents
        for one in active {
            let id = contents[one.device]?.id ?? gateway
            let rule = rules.first { $0.name == one.alarm.rule }
            if rule?.watches(contents[one.device], among: devices) ?? false {
                state.withLock { $0.rules.restore(one.alarm, device: one.device, deviceID: id) }
            } else {
                var alarm = one.alarm
                (alarm.phase, alarm.remark) = (.end, .removed)
                ended.close(.alarm(alarm), device: one.device, time: now())
            }
        }
        if !ended.isEmpty { _ = offer(ended) }
    }

    /// Whether there is nothing to watch for.
    var isEmpty: Bool { rules.isEmpty }

    // MARK: Points

    /// Makes the points known of devices that need not be heard of first: what of them is missing is noticed, too.
    private func expect(_ devices: [Configuration.ConfiguredDevice], _ minimising: Minimising) {
        guard !rules.isEmpty else { return }
        let contents = catalog.contents
        for device in devices {
            var known = device.isOne ? [catalog.number(of: device.described)] : []
            // Of one that stands for many, those that were heard of in an earlier run.
            for (index, one) in contents.devices.enumerated()
            where device.stands(for: one) && minimising.isCurrent(one.id, of: device) {
                known.append(DeviceNumber(raw: Int32(clamping: index)))
            }
            for number in known {
                for point in device.map.points {
                    let series = Series(device: number, point: point.name, unit: point.sentUnit, lane: point.lane)
                    add(catalog.number(of: series), point)
                }
            }
        }
    }

    /// Makes a point known that rules may be about.
    func add(_ series: SeriesNumber, _ point: Point) { add(series, AlarmRule.KnownPoint(point)) }

    /// A point of which only the series is known, as a birth has brought it.
    func add(_ number: SeriesNumber) {
        guard let unit = catalog.contents[number]?.unit else { return }
        add(number, AlarmRule.KnownPoint(.number(unit: unit.isEmpty ? nil : UnitOfMeasure(unit))))
    }

    private func add(_ number: SeriesNumber, _ point: AlarmRule.KnownPoint) {
        guard !rules.isEmpty else { return }
        let contents = catalog.contents
        guard let series = contents[number], let device = contents[series.device] else { return }
        state.withLock { state in
            var known = state.devices[device.id] ?? KnownDevice(number: series.device)
            known.number = series.device
            known.points[series.point] = (number, point)
            state.devices[device.id] = known
            state.changed.insert(device.id)
        }
    }

    // MARK: Readings

    /// - Returns: whether readings were noted for the next commit to write.
    @discardableResult
    func note(_ batch: Batch, now: Timestamp) -> Bool {
        guard !rules.isEmpty else { return false }
        var hasNotes = false
        tell { state in
            if !state.changed.isEmpty { bind(&state, now) }
            let alarms = state.rules.note(batch, now: now)
            if let keeper, let note = state.rules.takeNotes(at: now) {
                state.notes += 1
                let note = labelled(note)
                state.notedBytes += note.count
                keeper.note(note)
                hasNotes = true
            }
            return alarms
        }
        return hasNotes
    }

    /// Until the task is cancelled: notices what does not come.
    func run() async {
        guard !rules.isEmpty else { return }
        // At once, too: what was read last before the stop is not what it is after a crash from here on.
        var nextState = ContinuousClock.now
        var stateBytes = 0
        var nextBaselines = ContinuousClock.now + Self.baselineInterval
        var nextInspection = ContinuousClock.now + Self.inspectionInterval
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.tick)
            advance(to: now())
            if nextState <= .now || state.withLock({ $0.notedBytes }) > max(Self.mostNotedBytes, stateBytes) {
                stateBytes = keepWhereItIs(isFinal: false)
                nextState = .now + max(Self.stateInterval, .seconds(stateBytes / Self.stateBytesPerSecond))
            }
            if nextInspection <= .now {
                inspect()
                nextInspection = .now + Self.inspectionInterval
            }
            if nextBaselines <= .now {
                keepBaselines()
                nextBaselines = .now + Self.baselineInterval
            }
        }
    }

    /// Reports rules that can raise no alarm, as what they look at is always too old.
    private func inspect() {
        let contents = catalog.contents
        let (found, over) = state.withLock { $0.rules.inspect() }
        for one in over {
            for kind in [Warning.Kind.ruleInputsStale, .ruleHoldUnknown] {
                warnings.clear(kind, of: "\(one.rule) of \(one.deviceID)")
            }
        }
        for one in found {
            let subject = "\(one.rule) of \(one.deviceID)"
            switch one.cause {
            case .stale(let series, let age, let validity):
                let point = contents[series].map { "\(contents[$0.device]?.id ?? "").\($0.point)" } ?? ""
                warnings.warn(
                    .ruleInputsStale, of: subject, count: 0,
                    "the rule cannot raise an alarm: the last reading of \(point) is \(age / 1_000_000) s older than the "
                        + "others, and is valid for \(validity / 1_000_000) s",
                    next: "write a longer `within`, let the device send the point more often, or set its clock")
            case .holdUnknown:
                warnings.warn(
                    .ruleHoldUnknown, of: subject, count: 0,
                    "the condition of the rule is true, but its readings are too rare to tell whether it stays true for `for`",
                    next: "write a `within` that is longer than the interval of its points")
            }
        }
    }

    /// Keeps all that is known: nothing more will come.
    func close() {
        guard !rules.isEmpty else { return }
        keepWhereItIs(isFinal: true)
        keepBaselines()
        baselines?.flush()
    }

    /// - Returns: how many bytes that takes.
    @discardableResult
    private func keepWhereItIs(isFinal: Bool) -> Int {
        // Of many thousands of watches it takes a while: meanwhile others go on with a copy.
        let (rules, notes) = state.withLock { state in
            state.notedBytes = 0
            return (state.rules, state.notes)
        }
        let bytes = labelled(rules.state(isFinal: isFinal))
        keeper?.keep(bytes, notes)
        return bytes.count
    }

    private func keepBaselines() {
        baselines?.keep(state.withLock { $0.rules.baselines }, catalog.contents)
    }

    /// Lets time pass, without a reading.
    /// - Parameter isLast: whether nothing more comes, so that nothing is waited for.
    func advance(to now: Timestamp, isLast: Bool = false) {
        guard !rules.isEmpty else { return }
        _ = clock?.look()
        tell { state in
            if !state.changed.isEmpty { bind(&state, now) }
            return state.rules.advance(to: now, isLast: isLast)
        }
    }

    /// Notices that the system's clock was set, which is no time that has passed.
    private func noticeClock(_ state: inout State) {
        guard let clock else { return }
        let wasSetBy = clock.wasSetBy
        guard wasSetBy != state.clockWasSetBy else { return }
        state.rules.clockWasSet(by: wasSetBy &- state.clockWasSetBy, now: now())
        state.clockWasSetBy = wasSetBy
    }

    /// What is lost is told again with the next reading.
    private func tell(_ alarms: (inout State) -> Batch) {
        // Told in the order in which it came about.
        let told = state.withLock { state in
            noticeClock(&state)
            let alarms = alarms(&state)
            if alarms.isEmpty || offer(alarms) { return alarms }
            state.rules.forget(alarms)
            return Batch()
        }
        // Outside the lock: the log may block, and the readings of all links wait for it.
        for event in told.events {
            guard case .alarm(let alarm) = event.detail else { continue }
            count(alarm)
            log(alarm, of: event.device)
        }
    }

    private func count(_ alarm: Alarm) {
        Counter(
            label: "headgate_alarms_total", dimensions: [("rule", alarm.rule), ("phase", "\(alarm.phase.name)")]
        ).increment()
    }

    /// Logs the start and the end of an alarm, and that it is unconfirmed.
    private func log(_ alarm: Alarm, of device: DeviceNumber) {
        guard alarm.phase != .continue || alarm.remark == .unconfirmed else { return }
        let level: Logger.Level = alarm.phase == .start && alarm.priority != .low ? .warning : .notice
        logger.log(
            level: level, "alarm",
            metadata: [
                "rule": "\(alarm.rule)", "device": "\(catalog.contents[device]?.id ?? gateway)",
                "priority": "\(alarm.priority.name)", "phase": "\(alarm.phase.name)",
                "remark": "\(alarm.remark.name)", "alarm": "\(alarm.id)",
            ])
    }

    // MARK: Rules

    /// The rules of the devices that have changed, and those that look at several.
    private func bind(_ state: inout State, _ now: Timestamp) {
        let contents = catalog.contents
        let elsewhere = rules.filter { $0.points.contains { $0.device != nil } }
        for rule in elsewhere where rule.ownPoints.isEmpty { bind(rule, nil, &state, now) }
        // Device by device: what is looked at together lies together.
        for (id, known) in state.devices {
            guard let device = contents[known.number] else { continue }
            for rule in state.changed.contains(id) ? rules : elsewhere {
                let own = rule.ownPoints
                guard !own.isEmpty, own.allSatisfy({ known.points[$0] != nil }), rule.selection.isMeant(for: device)
                else { continue }
                bind(rule, id, &state, now)
            }
        }
        state.changed.removeAll()
    }

    /// - Parameter id: nil for a rule that is of no device.
    private func bind(_ rule: AlarmRule, _ id: String?, _ state: inout State, _ now: Timestamp) {
        let devices = state.devices
        func found(_ input: Program.Input) -> (series: SeriesNumber, point: AlarmRule.KnownPoint)? {
            (input.device ?? id).flatMap { devices[$0]?.points[input.point] }
        }
        guard rule.points.allSatisfy({ found($0) != nil }) else { return }
        do throws(AlarmRule.Mistake) {
            let compiled = try rule.rule(names: []) { found($0)?.point }
            state.rules.add(
                compiled, device: id.flatMap { devices[$0]?.number } ?? .gateway, deviceID: id ?? gateway, now: now
            ) { found($0)?.series }
        } catch {
            logger.error(
                .ruleNotForDevice,
                "The gateway does not evaluate a rule for a device, because the rule does not fit the points of the device",
                metadata: ["rule": "\(rule.name)", "device": "\(id ?? gateway)", "why": "\(error.message)"])
        }
    }

    // MARK: What is under way

    var active: [Rules.Active] { state.withLock { $0.rules.active } }
}

extension AlarmRule {
    /// Whether it may be about a device; nil for the gateway. Who describes itself may have any points.
    func watches(_ device: Device?, among devices: [Configuration.ConfiguredDevice]) -> Bool {
        guard let device else { return ownPoints.isEmpty }
        guard !ownPoints.isEmpty, selection.isMeant(for: device), let configured = devices.named(device.id) else {
            return false
        }
        return configured.describesItself || ownPoints.isSubset(of: configured.map.points.map(\.name))
    }
}
