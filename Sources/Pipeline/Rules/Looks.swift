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
        let series: SeriesNumber
        /// The next look at the same series, or -1.
        var next: Int32 = -1
        /// Its place in `changes`, which few have: many thousands of looks stay close together.
        var change: Int32 = -1
        /// Its place in `habits`, which what is polled has none in.
        var habit: Int32 = -1
        /// The last reading, with the time that it counts from.
        var last: Cause?
        var late = LateReadings()
        /// Watches that look.
        var watches: [Int32] = []
        let kind: Program.Input.Look
        var rate: RateOfChange?
    }

    /// What formulas are given.
    private struct Current {
        /// Not a number where the reading is not good.
        var number = Double.nan
        /// That it counts from.
        var time = Timestamp(microseconds: .min)
        /// How long it counts where a rule does not say, in microseconds.
        var validity = Rule.validity(interval: 0)
    }

    private var slots = SeriesSlots()
    /// By slot, the first look at the series.
    private var firsts: [Int32] = []
    /// By slot, the last moment in which a reading came.
    private var seenIn: [Int] = []
    private var looks: [Look] = []
    /// By look.
    private var current: [Current] = []
    /// What watches look at, those of a watch one after the other.
    private var inputs: [Int32] = []
    private var changes: [ChangeDetector] = []
    /// How often points come that nobody polls.
    private var habits: [ReadingHabit] = []
    /// Of an earlier run, until it is looked at again.
    var remembered: [Place: Memory] = [:]

    /// - Parameters:
    ///   - interval: at which it is polled, in microseconds; nil where it is sent when its device likes.
    ///   - baselines: those of earlier runs, by series and the number of readings that they are learnt from.
    /// - Returns: its number.
    mutating func add(
        _ kind: Program.Input.Look, of series: SeriesNumber, every interval: Int64?, for watch: Int,
        baselines: (SeriesNumber, Int) -> Baseline?
    ) -> Int {
        let slot = slots.add(series)
        if slot == firsts.count {
            firsts.append(-1)
            seenIn.append(0)
        }
        let known = self.known(kind, firsts[slot])
        let number = known ?? looks.count
        if known == nil {
            var look = Look(series: series, next: firsts[slot], kind: kind)
            switch kind {
            case .rate(let over): look.rate = RateOfChange(over: over)
            case .change(let detector, let learn, let per):
                let baseline = baselines(series, learn)
                look.change = Int32(changes.count)
                changes.append(ChangeDetector(detector, learn: learn, per: per, baseline: baseline ?? Baseline()))
            case .value, .equals, .quality, .reason: break
            }
            looks.append(look)
            current.append(Current())
            firsts[slot] = Int32(number)
            setInterval(interval, number)
            if let memory = remembered.removeValue(forKey: Place(series: series, kind: kind)) { recall(memory, number) }
        }
        if known != nil { setInterval(interval, number) }
        if !looks[number].watches.contains(Int32(watch)) { looks[number].watches.append(Int32(watch)) }
        return number
    }

    private func known(_ kind: Program.Input.Look, _ first: Int32) -> Int? {
        var look = first
        while look >= 0, looks[Int(look)].kind != kind { look = looks[Int(look)].next }
        return look < 0 ? nil : Int(look)
    }

    private mutating func setInterval(_ interval: Int64?, _ look: Int) {
        if let interval {
            looks[look].habit = -1
            current[look].validity = Rule.validity(interval: interval)
        } else if looks[look].habit < 0 {
            looks[look].habit = Int32(habits.count)
            habits.append(ReadingHabit())
        }
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
        for number in looks.indices { looks[number].watches.removeAll { $0 == Int32(watch) } }
    }

    /// The first look at a series; nil if no rule looks at it.
    @inline(__always)
    func first(of series: SeriesNumber) -> Int? { slots[series].map { Int(firsts[$0]) } }

    /// The next look at the same series; nil after the last.
    @inline(__always)
    func next(after look: Int) -> Int? {
        let next = looks[look].next
        return next < 0 ? nil : Int(next)
    }

    /// Whether no reading of a series has come in a moment yet; one has from now on.
    @inline(__always)
    mutating func isNew(_ series: SeriesNumber, in moment: Int) -> Bool {
        guard let slot = slots[series] else { return true }
        if seenIn[slot] == moment { return false }
        seenIn[slot] = moment
        return true
    }

    func watches(_ look: Int) -> [Int32] { looks[look].watches }

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
                if habit >= 0 {
                    habits[habit].note(reading.time.microseconds(since: last.reading.time))
                    current[look].validity = Rule.validity(interval: habits[habit].usual ?? 0)
                }
            }
        }
        looks[look].last = Cause(reading: reading, text: text)
        (current[look].number, current[look].time) = (number(reading, in: look, text: text), reading.time)
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
        if looks[look].habit >= 0, let habit = memory.habit {
            habits[Int(looks[look].habit)] = habit
            current[look].validity = Rule.validity(interval: habit.usual ?? 0)
        }
        looks[look].last = memory.last
        looks[look].rate = memory.rate ?? looks[look].rate
        (current[look].number, current[look].time) = (memory.number, memory.time)
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
    /// - Parameter within: how long the rule says that a reading counts; 0 where it does not.
    @inline(__always)
    func number(_ look: Int, at time: Timestamp, within: Int64) -> Double {
        let current = current[look]
        let age = time.microseconds(since: current.time)
        return age <= (within > 0 ? within : current.validity) ? current.number : .nan
    }

    /// Whether the gateway itself reads it again and again.
    func isPolled(_ look: Int) -> Bool { looks[look].habit < 0 }

    /// The time of the last reading.
    func time(_ look: Int) -> Timestamp { current[look].time }

    /// How long its readings count, in microseconds.
    func validity(_ look: Int, within: Int64) -> Int64 { within > 0 ? within : current[look].validity }

    /// The last moment at which its reading counts.
    func expiry(_ look: Int, within: Int64) -> Timestamp {
        if current[look].time.microseconds == .min { return Timestamp(microseconds: .min) }
        return current[look].time.advanced(byMicroseconds: validity(look, within: within))
    }
}
