// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// All rules for all devices: readings in, alarms out.
///
/// Looks at readings as they are told, before any filter. Those of one event count as one moment. A reading that is older
/// than another of its point changes nothing, and one from the future counts from now.
public struct Rules {
    private var looks = Looks()
    private var watches: [Watch] = []
    /// By `RULE/DEVICE`.
    private var numbers: [String: Int] = [:]
    /// Alarms of an earlier run whose rule or device has not come yet, likewise.
    private var restored: [String: Alarm] = [:]
    /// Kept from event to event for their room: watches to be looked at, and when they were last.
    private var touched: [(watch: Int, time: Timestamp)] = []
    private var isTouched: [Bool] = []
    private var noted: [Bool] = []

    public init() {}

    public var isEmpty: Bool { watches.isEmpty }

    private static func key(_ rule: String, _ device: String) -> String { "\(rule)/\(device)" }

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
        var found: [[Int]] = []
        let inputs = rule.inputs
        if number < watches.count { looks.remove(watch: number) }
        for formula in inputs {
            found.append(
                formula.compactMap { input in series(input).map { looks.add(input.look, of: $0, for: number) } })
        }
        guard zip(found, inputs).allSatisfy({ $0.count == $1.count }) else { return }
        var watch = Watch(rule, device: device, deviceID: deviceID, looks: found, now: now)
        if number < watches.count {
            watch.goOn(from: watches[number])
            watches[number] = watch
            return
        }
        if let alarm = restored.removeValue(forKey: key) { watch.restore(alarm, now: now) }
        numbers[key] = number
        watches.append(watch)
        isTouched.append(false)
    }

    /// An alarm that was under way when the gateway stopped.
    public mutating func restore(_ alarm: Alarm, deviceID: String) {
        restored[Self.key(alarm.rule, deviceID)] = alarm
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
            lookAtTouched(&alarms)
        }
        return alarms
    }

    private mutating func note(
        _ reading: Reading, of batch: Batch, _ found: [Int], _ now: Timestamp, _ alarms: inout Batch
    ) {
        var reading = reading
        reading.time = min(reading.time, now)
        // Of the same point twice: the first is a moment of its own.
        if let look = found.first, noted.indices.contains(look), noted[look] { lookAtTouched(&alarms) }
        for look in found {
            let text: String? = if case .text(let index) = reading.value { batch.text(at: index) } else { nil }
            guard looks.note(reading, in: look, text: text) else { continue }
            if look >= noted.count { noted += repeatElement(false, count: look - noted.count + 1) }
            noted[look] = true
            for watch in looks.watches(look) { touch(watch, reading.time) }
        }
    }

    private mutating func touch(_ watch: Int, _ time: Timestamp) {
        if isTouched[watch] {
            for place in touched.indices where touched[place].watch == watch {
                touched[place].time = max(touched[place].time, time)
            }
        } else {
            isTouched[watch] = true
            touched.append((watch, time))
        }
    }

    private mutating func lookAtTouched(_ alarms: inout Batch) {
        guard !touched.isEmpty else { return }
        for (number, time) in touched {
            isTouched[number] = false
            for formula in watches[number].looks {
                for look in formula where look < noted.count { noted[look] = false }
            }
            if let signal = watches[number].look(at: looks, time: time) { tell(signal, number, &alarms) }
        }
        touched.removeAll(keepingCapacity: true)
    }

    // MARK: Time

    /// Whether time alone can bring an alarm.
    public var needsClock: Bool { watches.contains { $0.rule.needsClock } }

    public mutating func advance(to now: Timestamp) -> Batch {
        var alarms = Batch()
        for number in watches.indices where watches[number].rule.needsClock {
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
        watches.compactMap { watch in
            watch.active.map { active in
                Active(
                    alarm: watch.alarm(active, .continue), device: watch.device, isConfirmed: active.isConfirmed)
            }
        }.sorted { ($0.alarm.priority.rawValue, $0.alarm.since) < ($1.alarm.priority.rawValue, $1.alarm.since) }
    }

    private mutating func tell(_ signal: Watch.Signal, _ number: Int, _ alarms: inout Batch) {
        let watch = watches[number]
        guard let active = watch.active else { return }
        let alarm = watch.alarm(active, signal.phase, signal.remark)
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
        return watch.looks.joined().compactMap { look in
            looks.last(look).flatMap { told.insert($0.reading.series).inserted ? $0 : nil }
        }
    }

    /// Takes back that alarms were told, as they were lost.
    public mutating func forget(_ alarms: Batch) {
        for event in alarms.events {
            guard case .alarm(let alarm) = event.detail,
                let number = watches.firstIndex(where: { $0.rule.name == alarm.rule && $0.device == event.device })
            else { continue }
            watches[number].forget(alarm.phase, alarm)
        }
    }
}
