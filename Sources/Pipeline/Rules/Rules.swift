// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// All rules for all devices: readings in, alarms out.
///
/// Looks at readings as they come, before any filter. Those of one event count as one moment. A reading that is older
/// than another of its point changes nothing, and one from the future counts from now. Time passes without readings, too:
/// see `Watch`.
public struct Rules {
    private(set) var looks = Looks()
    private(set) var watches: [Watch] = []
    /// By `RULE/DEVICE`.
    private var numbers: [String: Int] = [:]
    /// Alarms of an earlier run whose rule or device has not come yet, likewise.
    private var restored: [String: (alarm: Alarm, device: DeviceNumber)] = [:]
    /// How far the watches of an earlier run were, likewise.
    private var remembered: [String: RememberedWatch] = [:]
    /// By watch, how far it was when that was kept, until what was noted since has been taken again.
    private var whenKept: [Int: (progress: Watch.Progress, active: Watch.Active?)] = [:]
    /// By name.
    private var shared: [String: [SharedRule]] = [:]
    /// Watches that look at the system's clock.
    private var timed: [Int] = []
    /// Watches for which time alone changes something.
    private var waiting: [Int] = []
    /// Watches to be looked at, kept from event to event for its room.
    private var touched: [Int] = []
    /// By watch, for how many inspections in a row an input has been too old.
    var staleness: [UInt8] = []
    /// By watch, whether the last inspection found that it can raise no alarm.
    var isImpeded: [Bool] = []
    /// The number of the moment that is being noted.
    private var moment = 0
    /// The latest that the system's clock said.
    private var latest: Timestamp?
    /// Where readings that were noted before a crash are taken again, and nothing is told.
    private var isReplaying = false
    /// Readings that came, that count, and that nobody reads again after a crash; see `takeNotes`.
    private var notes: [[Cause]] = []
    /// Of the event that is being noted.
    private var note: [Cause] = []
    private let hasNotes: Bool

    /// Those of earlier runs, by series and the number of readings that they are learnt from.
    private let knownBaselines: @Sendable (SeriesNumber, Int) -> Baseline?

    /// - Parameter hasNotes: whether `takeNotes` is called after each batch.
    public init(
        hasNotes: Bool = false, baselines: @escaping @Sendable (SeriesNumber, Int) -> Baseline? = { _, _ in nil }
    ) {
        self.hasNotes = hasNotes
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
        let found = inputs.enumerated().compactMap { place, input in
            input.series.map {
                let interval = rule.intervals.indices.contains(place) ? rule.intervals[place] : nil
                return looks.add(input.look, of: $0, every: interval, for: number, baselines: knownBaselines)
            }
        }
        var watch = Watch(
            share(rule), device: device, deviceID: deviceID, firstInput: looks.keep(inputs: found), now: now)
        if isKnown {
            watch.goOn(from: watches[number])
            watches[number] = watch
            wait(number)
            return
        }
        if let known = remembered.removeValue(forKey: key), known.isOf(watch, inputs.compactMap(\.series)) {
            watch.goOn(from: known.progress, now: now)
            whenKept[number] = (watch.progress, known.active)
        }
        if let known = restored.removeValue(forKey: key) {
            // That a reading is missing is so until it comes.
            watch.restore(
                Watch.Active(
                    id: known.alarm.id, since: known.alarm.since, isConfirmed: watch.isOfMissing, lastTold: now))
            watch.reconsider(at: now)
        }
        numbers[key] = number
        watches.append(watch)
        if rule.needsClock { timed.append(number) }
        wait(number)
    }

    /// Looks after a watch as time passes, where that may change something.
    private mutating func wait(_ number: Int) {
        if watches[number].waits() { waiting.append(number) }
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
        noticeStepBack(now)
        for event in batch.events {
            var position = event.readings.lowerBound
            while position < event.readings.upperBound {
                let moment = self.moment(of: batch, in: position..<event.readings.upperBound)
                if !waiting.isEmpty { pass(before: moment, of: batch, now, &alarms) }
                for position in moment { note(batch.readings[position], of: batch, now) }
                if !note.isEmpty {
                    notes.append(note)
                    note.removeAll(keepingCapacity: true)
                }
                lookAtTouched(now, &alarms)
                position = moment.upperBound
            }
        }
        return alarms
    }

    /// The first of some readings that are one moment: until a point comes again.
    private mutating func moment(of batch: Batch, in readings: Range<Int>) -> Range<Int> {
        moment += 1
        for position in readings {
            guard looks.isNew(batch.readings[position].series, in: moment) else {
                return readings.lowerBound..<position
            }
        }
        return readings
    }

    /// What was due before a moment comes first, by what was known before it.
    private mutating func pass(before moment: Range<Int>, of batch: Batch, _ now: Timestamp, _ alarms: inout Batch) {
        var newest = Timestamp(microseconds: .min)
        for position in moment {
            let reading = batch.readings[position]
            // One that comes late changes nothing, and tells no time.
            guard let look = looks.first(of: reading.series), reading.time >= looks.time(look) else { continue }
            newest = max(newest, min(now, reading.time))
        }
        for position in moment {
            var next = looks.first(of: batch.readings[position].series)
            while let look = next {
                for watch in looks.watches(look) where watches[Int(watch)].due < newest {
                    pass(Int(watch), through: newest.advanced(byMicroseconds: -1), &alarms)
                }
                next = looks.next(after: look)
            }
        }
    }

    private mutating func note(_ reading: Reading, of batch: Batch, _ now: Timestamp) {
        var next = looks.first(of: reading.series)
        guard next != nil else { return }
        var reading = reading
        reading.time = min(reading.time, now)
        let text: String? = if case .text(let index) = reading.value { batch.text(at: index) } else { nil }
        var isNoted = false
        while let look = next {
            next = looks.next(after: look)
            let novelty = looks.note(reading, in: look, text: text, now: now)
            if novelty == .late {
                hear(reading, look)
                continue
            }
            if hasNotes, !isNoted, !isReplaying, !looks.isPolled(look) {
                note.append(Cause(reading: reading, text: text))
                isNoted = true
            }
            for watch in looks.watches(look) {
                if novelty == .setBack { watches[Int(watch)].clockWasSetBack(looks, now: now) }
                touch(Int(watch), at: reading.time)
            }
        }
    }

    /// A late reading changes only the rules on what is missing: its point sends readings.
    private mutating func hear(_ reading: Reading, _ look: Int) {
        guard reading.quality == .good else { return }
        for watch in looks.watches(look) where watches[Int(watch)].isOfMissing && !watches[Int(watch)].isTouched {
            touch(Int(watch), at: reading.time)
        }
    }

    private mutating func touch(_ watch: Int, at time: Timestamp) {
        if watches[watch].touch(at: time) { touched.append(watch) }
    }

    private mutating func lookAtTouched(_ now: Timestamp, _ alarms: inout Batch) {
        guard !touched.isEmpty else { return }
        for number in touched {
            if let signal = watches[number].look(at: looks, now: now) { tell(signal, number, &alarms) }
            wait(number)
        }
        touched.removeAll(keepingCapacity: true)
    }

    // MARK: Time

    /// How late a timer fires where no reading comes, in microseconds: a reading of the same moment may still be on its way.
    private static let grace: Int64 = 250_000
    /// Several threads look at the clock: a step back of less than that is none.
    private static let longestStepBack: Int64 = 1_000_000

    /// - Parameter isLast: whether nothing more comes, so that nothing is waited for.
    public mutating func advance(to now: Timestamp, isLast: Bool = false) -> Batch {
        var alarms = Batch()
        noticeStepBack(now)
        pass(to: now, isLast: isLast, &alarms)
        for number in timed {
            if let signal = watches[number].remind(at: now) {
                tell(signal, number, &alarms)
                wait(number)
            }
        }
        return alarms
    }

    /// Lets the time of rules pass, by the system's clock.
    private mutating func pass(to now: Timestamp, isLast: Bool, _ alarms: inout Batch) {
        for number in waiting {
            let time = watches[number].time(at: now)
            pass(number, through: isLast ? time : time.advanced(byMicroseconds: -Self.grace), &alarms)
        }
        waiting.removeAll { !watches[$0].stillWaits() }
    }

    private mutating func pass(_ number: Int, through limit: Timestamp, _ alarms: inout Batch) {
        while let signal = watches[number].pass(through: limit, looks) { tell(signal, number, &alarms) }
    }

    /// The system's clock was set: what was before stays as long ago as it was. That it was set back is noticed without this.
    /// - Parameters:
    ///   - step: how far ahead, or (less than 0) back, in microseconds.
    ///   - now: what it says since.
    public mutating func clockWasSet(by step: Int64, now: Timestamp) {
        latest = now
        looks.clockWasSet(by: step, now: now)
        for number in watches.indices { watches[number].clockWasSet(by: step, now: now) }
    }

    private mutating func noticeStepBack(_ now: Timestamp) {
        guard let last = latest else { return latest = now }
        let step = now.microseconds(since: last)
        guard step < -Self.longestStepBack else { return latest = max(last, now) }
        clockWasSet(by: step, now: now)
    }

    // MARK: After a crash

    /// The readings since the last call that have to be noted with what they came with, as nobody reads them again: those of
    /// points that are not polled.
    /// - Returns: bytes for `replay`; nil where there is none.
    public mutating func takeNotes(at now: Timestamp) -> [UInt8]? {
        if notes.isEmpty { return nil }
        defer { notes.removeAll(keepingCapacity: true) }
        return Self.note(notes, at: now)
    }

    /// Takes readings again that came after what was last kept of the rules: what follows from them is known, and only what
    /// no event has told is told, as time goes on.
    /// - Parameters:
    ///   - notes: see `takeNotes`, in their order.
    ///   - now: the system's clock.
    public mutating func replay(_ notes: [[UInt8]], at now: Timestamp) throws(MalformedBytes) {
        var entries: [Batch] = []
        for note in notes { entries.append(try Self.read(note)) }
        guard !entries.isEmpty else { return }
        let told = watches.map(\.active)
        // By what was known then, and not as of an alarm that started since.
        for number in watches.indices {
            watches[number].progress = whenKept[number]?.progress ?? Watch.Progress()
            watches[number].restore(whenKept[number]?.active)
        }
        whenKept = [:]
        isReplaying = true
        var untold = Batch()
        for entry in entries {
            guard let came = entry.events.first?.time else { continue }
            noticeStepBack(came)
            // Timers had fired before it came.
            pass(to: came, isLast: false, &untold)
            _ = note(entry, now: came)
        }
        noticeStepBack(now)
        isReplaying = false
        let last = entries.last?.events.first?.time ?? Timestamp(microseconds: 0)
        for (number, active) in told.enumerated() {
            let isUntold = active == nil && watches[number].active != nil
            // Unconfirmed, as without notes: that it goes on is for the first look to tell.
            watches[number].restore(active)
            if isUntold { watches[number].startWasLost() }
            watches[number].reconsider(at: last)
            wait(number)
        }
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
        if isReplaying {
            if signal.phase == .end { watches[number].ended() }
            return
        }
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
            wait(number)
        }
    }
}
