// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// A reading that an alarm comes from.
struct Cause {
    var reading: Reading
    /// What it says, where that is a text.
    var text: String?
}

/// What rules know of the points they look at.
struct Looks {
    private struct Look {
        let kind: Program.Input.Look
        var late = LateReadings()
        let series: SeriesNumber
        /// Its place in `changes`, which few have: many thousands of looks stay close together.
        var change: Int32 = -1
        /// Its place in `habits`, which what is polled has none in.
        var habit: Int32 = -1
        /// The last reading, with the time that it counts from.
        var last: Cause?
        var rate: RateOfChange?
        /// Watches that look.
        var watches: [Int] = []
    }

    private var slots = SeriesSlots()
    private var bySlot: [[Int]] = []
    private var looks: [Look] = []
    /// By look, what formulas are given, and the time that it counts from; not a number where the reading is not good.
    private var current: [(number: Double, time: Timestamp)] = []
    /// What watches look at, those of a watch one after the other.
    private var inputs: [Int32] = []
    private var changes: [ChangeDetector] = []
    /// How often points come that nobody polls.
    private var habits: [ReadingHabit] = []
    /// Of an earlier run, until it is looked at again.
    var remembered: [Place: Memory] = [:]

    /// - Parameters:
    ///   - isPolled: whether it is known how often it is read.
    ///   - baselines: those of earlier runs, by series and the number of readings that they are learnt from.
    /// - Returns: its number.
    mutating func add(
        _ kind: Program.Input.Look, of series: SeriesNumber, isPolled: Bool, for watch: Int,
        baselines: (SeriesNumber, Int) -> Baseline?
    ) -> Int {
        let slot = slots.add(series)
        if slot == bySlot.count { bySlot.append([]) }
        let known = bySlot[slot].first { looks[$0].kind == kind }
        let number = known ?? looks.count
        if known == nil {
            var look = Look(kind: kind, series: series)
            switch kind {
            case .rate(let over): look.rate = RateOfChange(over: over)
            case .change(let detector, let learn, let per):
                let baseline = baselines(series, learn)
                look.change = Int32(changes.count)
                changes.append(ChangeDetector(detector, learn: learn, per: per, baseline: baseline ?? Baseline()))
            case .value, .equals, .quality, .reason: break
            }
            if !isPolled {
                look.habit = Int32(habits.count)
                habits.append(ReadingHabit())
            }
            looks.append(look)
            current.append((.nan, Timestamp(microseconds: .min)))
            bySlot[slot].append(number)
            if let memory = remembered.removeValue(forKey: Place(series: series, kind: kind)) { recall(memory, number) }
        }
        if !looks[number].watches.contains(watch) { looks[number].watches.append(watch) }
        return number
    }

    /// Keeps what a watch looks at.
    /// - Returns: where it begins among the inputs of all.
    mutating func keep(inputs looks: [Int]) -> Int {
        inputs += looks.map { Int32($0) }
        return inputs.count - looks.count
    }

    @inline(__always)
    func look(ofInput place: Int) -> Int { Int(inputs[place]) }

    /// A watch no longer looks.
    mutating func remove(watch: Int) {
        for number in looks.indices { looks[number].watches.removeAll { $0 == watch } }
    }

    /// The looks at a series; nil where there is none.
    @inline(__always)
    func of(_ series: SeriesNumber) -> [Int]? { slots[series].map { bySlot[$0] } }

    func watches(_ look: Int) -> [Int] { looks[look].watches }

    func series(_ look: Int) -> SeriesNumber? { looks[look].series }

    func last(_ look: Int) -> Cause? { looks[look].last }

    /// - Parameters:
    ///   - text: of the reading, where it is one.
    ///   - now: the system's clock.
    mutating func note(_ reading: Reading, in look: Int, text: String?, now: Timestamp) -> LateReadings.Verdict {
        var novelty = LateReadings.Verdict.newer
        if let last = looks[look].last {
            switch looks[look].late.judge(reading.time, last: last.reading.time, now: now) {
            case .late: return .late
            case .setBack: novelty = .setBack
            case .newer:
                let habit = Int(looks[look].habit)
                if habit >= 0 { habits[habit].note(reading.time.microseconds(since: last.reading.time)) }
            }
        }
        looks[look].last = Cause(reading: reading, text: text)
        current[look] = (number(reading, in: look, text: text), reading.time)
        return novelty
    }

    /// The system's clock was set: what was read stays as long ago as it was.
    mutating func clockWasSet(by microseconds: Int64, now: Timestamp) {
        func moved(_ time: Timestamp) -> Timestamp {
            time.microseconds == .min ? time : min(now, time.advanced(byMicroseconds: microseconds))
        }
        for look in looks.indices {
            if let time = looks[look].last?.reading.time { looks[look].last?.reading.time = moved(time) }
            current[look].time = moved(current[look].time)
            looks[look].rate?.move(by: microseconds)
        }
    }

    private mutating func number(_ reading: Reading, in look: Int, text: String?) -> Double {
        let isGood = reading.quality == .good
        switch looks[look].kind {
        // As in derived points, a whole number that a double would round says nothing.
        case .value: return isGood && !reading.value.isRoundedNumber ? reading.value.asTruth ?? .nan : .nan
        case .equals(let wanted): return isGood ? text.map { $0 == wanted ? 1 : 0 } ?? .nan : .nan
        case .quality(let wanted): return reading.quality == wanted ? 1 : 0
        case .reason(let wanted): return reading.reason == wanted ? 1 : 0
        case .change:
            return changes[Int(looks[look].change)].add(isGood ? reading.value.asNumber ?? .nan : .nan)
        case .rate:
            guard isGood, let number = reading.value.asNumber else { return .nan }
            return looks[look].rate?.add(number, at: reading.time) ?? .nan
        }
    }

    // MARK: Over a stop

    /// What is looked at.
    struct Place: Hashable {
        var series: SeriesNumber
        var kind: Program.Input.Look
    }

    /// What is known of it.
    struct Memory {
        var last: Cause
        /// What formulas are given, and the time that it counts from.
        var number: Double
        var time: Timestamp
        var rate: RateOfChange?
        var sums: ChangeDetector.Sums?
        /// How often it comes; nil where it is polled.
        var habit: ReadingHabit?

        /// Leaves out what may be another by now.
        mutating func forgetLast() { (number, time) = (.nan, Timestamp(microseconds: .min)) }
    }

    var memories: [(place: Place, memory: Memory)] {
        looks.indices.compactMap { number in
            let look = looks[number]
            guard let last = look.last else { return nil }
            let memory = Memory(
                last: last, number: current[number].number, time: current[number].time, rate: look.rate,
                sums: look.change < 0 ? nil : changes[Int(look.change)].sums,
                habit: look.habit < 0 ? nil : habits[Int(look.habit)])
            return (Place(series: look.series, kind: look.kind), memory)
        }
    }

    private mutating func recall(_ memory: Memory, _ look: Int) {
        if looks[look].change >= 0 {
            // Of another baseline it says nothing.
            guard let sums = memory.sums, changes[Int(looks[look].change)].isLearnt else { return }
            changes[Int(looks[look].change)].sums = sums
        }
        if looks[look].habit >= 0, let habit = memory.habit { habits[Int(looks[look].habit)] = habit }
        looks[look].last = memory.last
        looks[look].rate = memory.rate ?? looks[look].rate
        current[look] = (memory.number, memory.time)
    }

    /// What is known of how a point is while all is well.
    var baselines: [(series: SeriesNumber, learn: Int, baseline: Baseline)] {
        looks.compactMap { look in
            guard look.change >= 0 else { return nil }
            let change = changes[Int(look.change)]
            return (look.series, change.learn, change.baseline)
        }
    }

    /// How a look sees a change, where that is what it looks for.
    func evidence(_ look: Int) -> Alarm.Evidence? {
        guard case .change(let detector, _, _) = looks[look].kind, current[look].number.isFinite else { return nil }
        let change = changes[Int(looks[look].change)]
        return Alarm.Evidence(
            series: looks[look].series, detector: detector.rawValue, score: current[look].number,
            mean: change.baseline.mean, deviation: change.baseline.deviation, readings: change.baseline.count)
    }

    /// What a formula is given at a time: not a number where the reading is too old, and unknown therefore.
    /// - Parameter validity: how long a reading counts; 0 for what is usual for it.
    @inline(__always)
    func number(_ look: Int, at time: Timestamp, validity: Int64) -> Double {
        let age = time.microseconds(since: current[look].time)
        return age <= (validity > 0 ? validity : usualValidity(look)) ? current[look].number : .nan
    }

    /// Whether the gateway itself reads it again and again.
    func isPolled(_ look: Int) -> Bool { looks[look].habit < 0 }

    /// The time of the last reading.
    func time(_ look: Int) -> Timestamp { current[look].time }

    /// How long its readings count, in microseconds.
    func validity(_ look: Int, _ validity: Int64) -> Int64 { validity > 0 ? validity : usualValidity(look) }

    /// The last moment at which its reading counts.
    func expiry(_ look: Int, validity: Int64) -> Timestamp {
        if current[look].time.microseconds == .min { return Timestamp(microseconds: .min) }
        return current[look].time.advanced(byMicroseconds: self.validity(look, validity))
    }

    private func usualValidity(_ look: Int) -> Int64 {
        let habit = Int(looks[look].habit)
        return habit < 0 ? Rule.validity(interval: 0) : Rule.validity(interval: habits[habit].usual ?? 0)
    }
}
