// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// All rules for all devices: readings in, alarms out.
///
/// Looks at readings as they are told, before any filter. Those of one event count as one moment. A reading that is older
/// than another of its point changes nothing, and one from the future counts from now.
public struct Rules {
    private(set) var looks = Looks()
    private(set) var watches: [Watch] = []
    /// By `RULE/DEVICE`.
    private var numbers: [String: Int] = [:]
    /// Alarms of an earlier run whose rule or device has not come yet, likewise.
    private var restored: [String: (alarm: Alarm, device: DeviceNumber)] = [:]
    /// How far the watches of an earlier run were, likewise.
    private var remembered: [String: RememberedWatch] = [:]
    /// By name.
    private var shared: [String: [SharedRule]] = [:]
    /// Watches that time alone can make say something.
    private var timed: [Int] = []
    /// Watches to be looked at, kept from event to event for its room.
    private var touched: [Int] = []
    /// By watch, the newest time of what it is to be looked at for; nil where it is not.
    private var touchedAt: [Timestamp?] = []
    /// By look, in which moment it was noted last.
    private var notedIn: [Int] = []
    private var moment = 1
    private var advancedTo: Timestamp?

    /// Those of earlier runs, by series and the number of readings that they are learnt from.
    private let knownBaselines: @Sendable (SeriesNumber, Int) -> Baseline?

    public init(baselines: @escaping @Sendable (SeriesNumber, Int) -> Baseline? = { _, _ in nil }) {
        knownBaselines = baselines
    }

    /// What has been learnt of points, as it is now.
    public var baselines: [(series: SeriesNumber, learn: Int, baseline: Baseline)] { looks.baselines }

    static func key(_ rule: String, _ device: String) -> String { "\(rule)/\(device)" }

    // MARK: What is watched

    /// - Parameters:
    ///   - deviceID: of the device that alarms are of.
    ///   - series: what a formula's input is.
    public mutating func add(
        _ rule: Rule, device: DeviceNumber, deviceID: String, now: Timestamp,
        series: (Program.Input) -> SeriesNumber?
    ) {
        let key = Self.key(rule.name, deviceID)
        let number = numbers[key] ?? watches.count
        let isKnown = number < watches.count
        let inputs = rule.inputs.joined().map { (look: $0.look, series: series($0)) }
        guard inputs.allSatisfy({ $0.series != nil }) else { return }
        if isKnown, watches[number].device == device, watches[number].shared.rule == rule,
            watches[number].inputs.map({ looks.series(looks.look(ofInput: $0)) }) == inputs.map(\.series)
        {
            return
        }
        if isKnown { looks.remove(watch: number) }
        let found = inputs.compactMap { input in
            input.series.map { looks.add(input.look, of: $0, for: number, baselines: knownBaselines) }
        }
        var watch = Watch(
            share(rule), device: device, deviceID: deviceID, firstInput: looks.keep(inputs: found), now: now)
        if isKnown {
            watch.goOn(from: watches[number])
            watches[number] = watch
            return
        }
        if let known = remembered.removeValue(forKey: key), known.isOf(watch, inputs.compactMap(\.series)) {
            watch.goOn(from: known.progress, now: now)
        }
        if let known = restored.removeValue(forKey: key) { watch.restore(known.alarm, now: now) }
        numbers[key] = number
        watches.append(watch)
        touchedAt.append(nil)
        if rule.needsClock { timed.append(number) }
    }

    private mutating func share(_ rule: Rule) -> SharedRule {
        if let known = shared[rule.name]?.first(where: { $0.rule == rule }) { return known }
        let one = SharedRule(rule)
        shared[rule.name, default: []].append(one)
        return one
    }

    /// An alarm that was under way when the gateway stopped.
    public mutating func restore(_ alarm: Alarm, device: DeviceNumber, deviceID: String) {
        restored[Self.key(alarm.rule, deviceID)] = (alarm, device)
    }

    /// What was known, and how far it was, when the gateway stopped.
    mutating func remember(_ memories: [Looks.Place: Looks.Memory], _ watches: [String: RememberedWatch]) {
        looks.remembered = memories
        remembered = watches
    }

    // MARK: Readings

    /// - Parameter now: what the system's clock says.
    /// - Returns: what is to be told.
    public mutating func note(_ batch: Batch, now: Timestamp) -> Batch {
        var alarms = Batch()
        guard !watches.isEmpty else { return alarms }
        for event in batch.events where !event.readings.isEmpty {
            for position in event.readings {
                guard let found = looks.of(batch.readings[position].series) else { continue }
                note(batch.readings[position], of: batch, found, now, &alarms)
            }
            lookAtTouched(now, &alarms)
        }
        return alarms
    }

    private mutating func note(
        _ reading: Reading, of batch: Batch, _ found: [Int], _ now: Timestamp, _ alarms: inout Batch
    ) {
        var reading = reading
        reading.time = min(reading.time, now)
        // Of the same point twice: the first is a moment of its own.
        if let look = found.first, notedIn.indices.contains(look), notedIn[look] == moment {
            lookAtTouched(now, &alarms)
        }
        let text: String? = if case .text(let index) = reading.value { batch.text(at: index) } else { nil }
        for look in found {
            guard looks.note(reading, in: look, text: text, now: now) else { continue }
            if look >= notedIn.count { notedIn += repeatElement(0, count: look - notedIn.count + 1) }
            notedIn[look] = moment
            for watch in looks.watches(look) {
                if let time = touchedAt[watch] {
                    touchedAt[watch] = max(time, reading.time)
                } else {
                    touchedAt[watch] = reading.time
                    touched.append(watch)
                }
            }
        }
    }

    private mutating func lookAtTouched(_ now: Timestamp, _ alarms: inout Batch) {
        guard !touched.isEmpty else { return }
        moment += 1
        for number in touched {
            guard let time = touchedAt[number] else { continue }
            touchedAt[number] = nil
            if let signal = watches[number].look(at: looks, time: time, now: now) { tell(signal, number, &alarms) }
        }
        touched.removeAll(keepingCapacity: true)
    }

    // MARK: Time

    /// Whether time alone can bring an alarm.
    public var needsClock: Bool { !timed.isEmpty }

    /// Asked often: a step of more than that is a clock that was set, and not time.
    private static let longestStep: Int64 = 10_000_000

    public mutating func advance(to now: Timestamp) -> Batch {
        var alarms = Batch()
        defer { advancedTo = now }
        if let advancedTo {
            let step = now.microseconds(since: advancedTo)
            if step < 0 || step > Self.longestStep {
                for number in timed { watches[number].clockWasSet(by: step, now: now) }
            }
        }
        for number in timed {
            if let signal = watches[number].advance(to: now) { tell(signal, number, &alarms) }
        }
        return alarms
    }

    // MARK: Alarms

    /// An alarm that is under way.
    public struct Active: Sendable {
        public var alarm: Alarm
        public var device: DeviceNumber
        /// Whether the last that was heard is that it goes on.
        public var isConfirmed: Bool
    }

    /// The most urgent first.
    public var active: [Active] {
        let waiting = restored.values.map { Active(alarm: $0.alarm, device: $0.device, isConfirmed: false) }
        let all = watches.compactMap { watch in
            watch.active.map { active in
                Active(
                    alarm: watch.alarm(active, .continue), device: watch.device, isConfirmed: active.isConfirmed)
            }
        }
        return (all + waiting).sorted {
            ($0.alarm.priority.rawValue, $0.alarm.since) < ($1.alarm.priority.rawValue, $1.alarm.since)
        }
    }

    private mutating func tell(_ signal: Watch.Signal, _ number: Int, _ alarms: inout Batch) {
        let watch = watches[number]
        guard let active = watch.active else { return }
        var alarm = watch.alarm(active, signal.phase, signal.remark)
        alarm.evidence = Set(watch.inputs.map(looks.look)).sorted().compactMap(looks.evidence)
        for cause in signal.causes.isEmpty ? causes(of: watch) : signal.causes {
            var reading = cause.reading
            if let text = cause.text { reading.value = alarms.text(text) }
            alarms.readings.append(reading)
        }
        alarms.close(.alarm(alarm), device: watch.device, time: signal.time)
        if signal.phase == .end { watches[number].ended() }
    }

    /// The last readings that it looks at.
    private func causes(of watch: Watch) -> [Cause] {
        var told: Set<SeriesNumber> = []
        return watch.inputs.compactMap { input in
            looks.last(looks.look(ofInput: input)).flatMap { told.insert($0.reading.series).inserted ? $0 : nil }
        }
    }

    /// Takes back that alarms were told, as they were lost.
    public mutating func forget(_ alarms: Batch) {
        for event in alarms.events {
            guard case .alarm(let alarm) = event.detail,
                let number = watches.firstIndex(where: {
                    $0.shared.rule.name == alarm.rule && $0.device == event.device
                })
            else { continue }
            watches[number].forget(alarm.phase, alarm)
        }
    }
}
