// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// A rule for one device, and how far it is.
///
/// Formulas are true, false, or unknown where a reading is not good or too old. Unknown never begins an alarm and never
/// ends one: an active alarm goes on unconfirmed.
///
/// A rule's time is the time of the newest reading of its inputs, and goes on with the system's clock while no reading
/// comes. So `for`, `cooldown` and the age of readings need no further reading. A timer that is due between two readings
/// fires before the second is looked at, with the time at which it was due: what comes of readings does not depend on how
/// late they arrive. A timer and a reading of the same moment: the reading counts first.
struct Watch {
    /// An alarm that is under way.
    struct Active {
        var id: String
        var since: Timestamp
        /// Whether the last that was heard is that it goes on.
        var isConfirmed: Bool
        var lastTold: Timestamp
    }

    /// What is to be told.
    struct Signal {
        var phase: Alarm.Phase
        var remark = Alarm.Remark.none
        var time: Timestamp
        /// Readings of earlier steps that caused it.
        var causes: [Cause] = []
    }

    /// The `due` of a rule for which time alone changes nothing.
    static let never = Timestamp(microseconds: .max)

    // What most looks need comes first: of many thousands of watches, only that much is brought into the cache.
    let shared: SharedRule
    /// Where what its formulas are given begins among the inputs of all.
    let firstInput: Int
    /// The newest time of the readings that it is to be looked at for.
    private var touchedAt = untouched
    private var lookedAt = Timestamp(microseconds: .min)
    /// When, in the rule's time, it changes without a reading.
    private(set) var due = Self.never
    /// The newest reading of its inputs, and how far its time was behind the system's clock when it came, in microseconds.
    private var newestRead = Timestamp(microseconds: .min)
    private var lag: Int64 = 0
    private var heldSince: Timestamp?
    /// Whether the condition was found to be unknown when it had held for long enough.
    private var isHoldSpent = false
    /// Whether it is among those that are looked after as time passes.
    private var isWaiting = false
    /// Whether the gateway was stopped, and has not read again what it polls: its silence means nothing.
    private var awaitsPoll = false
    /// How often the condition held and then was unknown for too long before `for` was over.
    private(set) var brokenHolds: Int32 = 0
    /// The causes of an alarm that began while it had to be quiet, and that nothing has ended since: it starts when that
    /// is over.
    private var suppressed: [Cause]?
    private(set) var active: Active?
    private var lastHeld: Timestamp?
    let device: DeviceNumber
    let deviceID: String
    private var quietUntil: Timestamp?
    private var chain = SequenceChain()
    /// When the last good reading came that must not be missing.
    private var heard: Timestamp

    init(_ shared: SharedRule, device: DeviceNumber, deviceID: String, firstInput: Int, now: Timestamp) {
        self.shared = shared
        self.device = device
        self.deviceID = deviceID
        self.firstInput = firstInput
        heard = now
    }

    /// Goes on from where the same rule was for the same device.
    mutating func goOn(from other: Watch) {
        active = other.active
        heard = other.heard
        progress = other.progress
        isWaiting = other.isWaiting
        due = lookedAt
    }

    /// Goes on from where it was before the gateway stopped. The quiet after an alarm is as long as the rule says now, and
    /// what is missing is so from now on: nobody knows what was said meanwhile.
    mutating func goOn(from other: Progress, now: Timestamp) {
        progress = other
        let cooldown = shared.rule.cooldown
        quietUntil = cooldown > 0 ? quietUntil.map { min($0, now.advanced(byMicroseconds: cooldown)) } : nil
        awaitsPoll = shared.rule.hasPolledInput
        due = awaitsPoll ? Self.never : lookedAt
    }

    /// How far it is, but for its alarm and for what is missing.
    struct Progress {
        var lookedAt = Timestamp(microseconds: .min)
        var newestRead = Timestamp(microseconds: .min)
        var lag: Int64 = 0
        var heldSince: Timestamp?
        var lastHeld: Timestamp?
        var quietUntil: Timestamp?
        var suppressed: [Cause]?
        var chain = SequenceChain()
    }

    var progress: Progress {
        get {
            Progress(
                lookedAt: lookedAt, newestRead: newestRead, lag: lag, heldSince: heldSince, lastHeld: lastHeld,
                quietUntil: quietUntil, suppressed: suppressed, chain: chain)
        }
        set {
            lookedAt = newValue.lookedAt
            newestRead = newValue.newestRead
            lag = newValue.lag
            heldSince = newValue.heldSince
            lastHeld = newValue.lastHeld
            quietUntil = newValue.quietUntil
            suppressed = newValue.suppressed
            chain = newValue.chain
        }
    }

    /// Goes on with an alarm of an earlier run; nil for none.
    mutating func restore(_ alarm: Active?) {
        active = alarm
        guard let alarm else { return }
        suppressed = nil
        lookedAt = max(lookedAt, alarm.since)
    }

    /// Looks at once, as time passes, whether all still is as it was: an alarm as of now, and not as of the stop.
    mutating func reconsider(at now: Timestamp) {
        if !awaitsPoll { due = active == nil ? lookedAt : max(lookedAt, time(at: now)) }
    }

    // MARK: Readings

    /// The `touchedAt` of a rule for which nothing has come that it is not looked at for yet.
    private static let untouched = Timestamp(microseconds: .min)

    var isTouched: Bool { touchedAt != Self.untouched }

    /// A reading of one of its inputs has come.
    /// - Returns: whether it is the first since the last look.
    mutating func touch(at time: Timestamp) -> Bool {
        defer { touchedAt = max(time, touchedAt) }
        return !isTouched
    }

    /// After `touch`.
    /// - Parameters:
    ///   - known: the last readings of all points.
    ///   - now: the system's clock.
    mutating func look(at known: borrowing Looks, now: Timestamp) -> Signal? {
        let newest = touchedAt
        touchedAt = Self.untouched
        if newest >= newestRead { (newestRead, lag) = (newest, now.microseconds(since: newest)) }
        let time = max(newest, lookedAt)
        lookedAt = time
        awaitsPoll = false
        isHoldSpent = false
        defer { rearm(known, expiringFrom: time) }
        switch shared.kind {
        case .holds:
            let holds = truth(of: 0, known, time)
            let until = untilHolds(known, time)
            return active == nil ? begin(holds, until, known, time) : goOn(holds, until: until, time)
        case .sequence(let within):
            let truths = steps.map { truth(of: $0, known, time) }
            let causes = chain.step(
                truths, at: time, within: within,
                readings: steps.map { inputs(of: $0).map(known.look).compactMap(known.last) })
            let last = truths.last ?? nil
            let until = untilHolds(known, time)
            if active != nil { return goOn(last, until: until, time) }
            if isOver(last, until: until) { suppressed = nil }
            return startSuppressed(at: time, isConfirmed: isConfirmed(last, until: until))
                ?? causes.flatMap { reached(at: time, causes: $0) }
        case .missing:
            guard let reading = known.last(known.look(ofInput: firstInput))?.reading, reading.quality == .good else {
                return nil
            }
            // By when it comes, whatever time its device thinks it is.
            heard = now
            return active == nil ? nil : end(at: time, quietFrom: now)
        }
    }

    /// The clock of one of its inputs was set back: what was before stays as long ago as it was.
    mutating func clockWasSetBack(_ known: borrowing Looks, now: Timestamp) {
        let newest = inputs.map { known.time(known.look(ofInput: $0)) }.max() ?? newestRead
        guard newest < newestRead else { return }
        move(by: newest.microseconds(since: newestRead))
        lag = now.microseconds(since: newest)
    }

    /// The system's clock was set: what was before stays as long ago as it was.
    mutating func clockWasSet(by microseconds: Int64, now: Timestamp) {
        move(by: microseconds)
        heard = min(now, heard.advanced(byMicroseconds: microseconds))
        if let told = active?.lastTold { active?.lastTold = min(now, told.advanced(byMicroseconds: microseconds)) }
    }

    private mutating func move(by microseconds: Int64) {
        guard lookedAt.microseconds > .min else { return }
        func moved(_ time: Timestamp) -> Timestamp { time.advanced(byMicroseconds: microseconds) }
        lookedAt = moved(lookedAt)
        newestRead = moved(newestRead)
        heldSince = heldSince.map(moved)
        lastHeld = lastHeld.map(moved)
        quietUntil = quietUntil.map(moved)
        if due != Self.never { due = moved(due) }
        chain.move(by: microseconds)
    }

    var isOfMissing: Bool { if case .missing = shared.kind { true } else { false } }

    private func inputs(of formula: Int) -> Range<Int> {
        let inputs = shared.formulas[formula].inputs
        return firstInput + inputs.lowerBound..<firstInput + inputs.upperBound
    }

    /// Of all its formulas.
    var inputs: Range<Int> { firstInput..<firstInput + shared.inputCount }

    /// The formulas of a sequence's steps.
    private var steps: Range<Int> { 0..<(shared.formulas.count - (shared.hasUntil ? 1 : 0)) }

    /// Nil where it is unknown, or where there is no `until`.
    private func untilHolds(_ known: borrowing Looks, _ time: Timestamp) -> Bool? {
        shared.hasUntil ? truth(of: shared.formulas.count - 1, known, time) : nil
    }

    private func truth(of formula: Int, _ known: borrowing Looks, _ time: Timestamp) -> Bool? {
        let inputs = inputs(of: formula)
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, inputs.count)) { numbers in
            for place in inputs {
                numbers[place - inputs.lowerBound] = known.number(
                    known.look(ofInput: place), at: time, within: shared.within)
            }
            let result = shared.formulas[formula].program.evaluate(
                UnsafeBufferPointer(rebasing: numbers[..<inputs.count]))
            return result.isNaN ? nil : result != 0
        }
    }

    private mutating func begin(
        _ holds: Bool?, _ until: Bool?, _ known: borrowing Looks, _ time: Timestamp
    ) -> Signal? {
        if isOver(holds, until: until) { suppressed = nil }
        if holds == false {
            (heldSince, brokenHolds) = (nil, 0)
            return suppressed == nil
                ? nil : startSuppressed(at: time, isConfirmed: isConfirmed(holds, until: until))
        }
        // Whether it held meanwhile is unknown: a short doubt breaks nothing, a longer one begins anew.
        if heldSince != nil, let lastHeld, time.microseconds(since: lastHeld) > longestValidity(known) {
            heldSince = nil
            if shared.rule.holdFor > 0 { brokenHolds += 1 }
        }
        guard holds == true else { return nil }
        lastHeld = time
        let since = heldSince ?? time
        heldSince = since
        if suppressed != nil { return startSuppressed(at: time) }
        return time.microseconds(since: since) >= shared.rule.holdFor ? reached(at: time) : nil
    }

    private func longestValidity(_ known: borrowing Looks) -> Int64 {
        inputs.map { known.validity(known.look(ofInput: $0), within: shared.within) }.max() ?? 0
    }

    /// - Parameter until: unknown where it is not known, and where there is none.
    private mutating func goOn(_ holds: Bool?, until: Bool?, _ time: Timestamp) -> Signal? {
        if isOver(holds, until: until) { return end(at: time, quietFrom: time) }
        if holds == true { lastHeld = time }
        let isConfirmed = isConfirmed(holds, until: until)
        guard active?.isConfirmed != isConfirmed else { return nil }
        active?.isConfirmed = isConfirmed
        active?.lastTold = time
        return Signal(phase: .continue, remark: isConfirmed ? .confirmed : .unconfirmed, time: time)
    }

    /// Whether what ends an alarm is so.
    private func isOver(_ holds: Bool?, until: Bool?) -> Bool {
        shared.hasUntil ? until == true && holds != true : holds == false
    }

    /// Whether an alarm is known to go on: its condition holds, or what would end it is known not to.
    private func isConfirmed(_ holds: Bool?, until: Bool?) -> Bool {
        holds == true || (shared.hasUntil ? until != nil : holds != nil)
    }

    // MARK: Phases

    /// The condition has held for long enough, or all steps have been taken.
    private mutating func reached(at time: Timestamp, causes: [Cause] = []) -> Signal? {
        if let quietUntil, time < quietUntil {
            suppressed = causes
            return nil
        }
        return start(at: time, causes: causes)
    }

    /// Once it no longer has to be quiet.
    private mutating func startSuppressed(at time: Timestamp, isConfirmed: Bool = true) -> Signal? {
        guard let suppressed, time >= quietUntil ?? time else { return nil }
        return start(at: time, isConfirmed: isConfirmed, causes: suppressed)
    }

    private mutating func start(at time: Timestamp, isConfirmed: Bool = true, causes: [Cause] = []) -> Signal {
        let id = "\(shared.rule.name)/\(deviceID)/\(String(time.microseconds, radix: 16))"
        active = Active(id: id, since: time, isConfirmed: isConfirmed, lastTold: time)
        (suppressed, brokenHolds) = (nil, 0)
        return Signal(phase: .start, remark: isConfirmed ? .none : .unconfirmed, time: time, causes: causes)
    }

    private mutating func end(at time: Timestamp, quietFrom: Timestamp) -> Signal {
        heldSince = nil
        quietUntil = quietFrom.advanced(byMicroseconds: shared.rule.cooldown)
        return Signal(phase: .end, time: time)
    }

    func alarm(_ active: Active, _ phase: Alarm.Phase, _ remark: Alarm.Remark = .none) -> Alarm {
        Alarm(
            id: active.id, rule: shared.rule.name, phase: phase, priority: shared.rule.priority, since: active.since,
            remark: remark,
            text: shared.rule.text)
    }

    /// Once its end has been told.
    mutating func ended() { active = nil }

    // MARK: Time

    /// - Returns: whether it is to be looked after from now on as time passes, because that may change something.
    mutating func waits() -> Bool {
        guard due != Self.never, !isWaiting else { return false }
        isWaiting = true
        return true
    }

    /// - Returns: whether time alone may still change something.
    mutating func stillWaits() -> Bool {
        isWaiting = due != Self.never
        return isWaiting
    }

    /// The rule's time, by the system's clock.
    func time(at now: Timestamp) -> Timestamp { now.advanced(byMicroseconds: -lag) }

    /// What the passing of time brings, one change after the other.
    /// - Parameter limit: the rule's time until which it has passed.
    /// - Returns: nil where nothing is to be told until then.
    mutating func pass(through limit: Timestamp, _ known: borrowing Looks) -> Signal? {
        while due <= limit {
            let time = max(due, lookedAt)
            // What an alarm goes on by is judged after that moment, what one starts by at it.
            let first = active == nil ? time : time.advanced(byMicroseconds: 1)
            var signal = judge(at: time, known)
            if signal?.remark == .confirmed {
                // After a start: it still is what it was.
                signal?.time = lookedAt
            } else if signal != nil {
                lookedAt = time
            }
            rearm(known, expiringFrom: first)
            if let signal { return signal }
        }
        return nil
    }

    private mutating func judge(at time: Timestamp, _ known: borrowing Looks) -> Signal? {
        let condition: Int
        switch shared.kind {
        case .holds: condition = 0
        case .sequence: condition = steps.upperBound - 1
        case .missing: return nil
        }
        // A reading counts up to and including the moment at which it is as old as it may be.
        let after = time.advanced(byMicroseconds: 1)
        if active != nil {
            return goOn(truth(of: condition, known, after), until: untilHolds(known, after), time)
        }
        let holds = truth(of: condition, known, time)
        let until = untilHolds(known, time)
        if holds == false { heldSince = nil }
        if isOver(holds, until: until) {
            suppressed = nil
        } else if suppressed != nil {
            return startSuppressed(at: time, isConfirmed: isConfirmed(holds, until: until))
        } else if let heldSince, time.microseconds(since: heldSince) >= shared.rule.holdFor {
            if holds == true { return reached(at: time) }
            isHoldSpent = true
        }
        return nil
    }

    /// Finds out when time alone changes something next.
    /// - Parameter first: the first moment at which a reading may get too old that has not been looked at.
    private mutating func rearm(_ known: borrowing Looks, expiringFrom first: Timestamp) {
        due = Self.never
        if case .missing = shared.kind { return }
        if let active {
            if active.isConfirmed { due = nextExpiry(known, from: first) }
        } else if awaitsPoll {
            return
        } else if suppressed != nil {
            due = max(quietUntil ?? lookedAt, lookedAt)
        } else if let heldSince, !isHoldSpent {
            due = max(heldSince.advanced(byMicroseconds: shared.rule.holdFor), lookedAt)
        }
    }

    /// The last moment at which the next of its readings counts.
    private func nextExpiry(_ known: borrowing Looks, from first: Timestamp) -> Timestamp {
        var next = Self.never
        for place in inputs {
            let expiry = known.expiry(known.look(ofInput: place), within: shared.within)
            if expiry >= first, expiry < next { next = expiry }
        }
        return next
    }

    /// What the system's clock alone brings: what is missing, and what is told again.
    mutating func remind(at now: Timestamp) -> Signal? {
        if let active {
            guard let repeats = shared.rule.repeats, now.microseconds(since: active.lastTold) >= repeats else {
                return nil
            }
            self.active?.lastTold = now
            return Signal(phase: .continue, remark: .repeated, time: now)
        }
        // A clock that was set back says nothing of how long it is.
        heard = min(heard, now)
        guard case .missing = shared.rule.condition, now.microseconds(since: heard) >= shared.rule.holdFor,
            quietUntil.map({ $0 <= now }) ?? true
        else { return nil }
        return start(at: now)
    }

    /// Readings that were noted have started its alarm, and the gateway was killed before an event told that. What is polled may
    /// have ended it since, and decides itself.
    mutating func startWasLost() {
        if case .sequence = shared.kind, !shared.rule.hasPolledInput { suppressed = [] }
    }

    /// Takes back that the alarm was told, as nobody heard of it: it is told again at once.
    mutating func forget(_ phase: Alarm.Phase, _ alarm: Alarm) {
        switch phase {
        case .start where active?.id == alarm.id:
            active = nil
            if case .sequence = shared.kind { suppressed = [] }
            due = lookedAt
        case .end where active == nil:
            active = Active(id: alarm.id, since: alarm.since, isConfirmed: true, lastTold: alarm.since)
            quietUntil = nil
            due = lookedAt
        default: break
        }
    }

    // MARK: Inputs that never count

    /// The input that keeps the condition unknown: its last reading is good, and too old beside the newest reading of the rule.
    /// Nil if no input does. If all inputs are silent, nothing is wrong: the next reading counts.
    func staleInput(_ known: borrowing Looks) -> (look: Int, age: Int64, validity: Int64)? {
        guard active == nil else { return nil }
        let formulas: Range<Int>
        switch shared.kind {
        case .holds: formulas = 0..<1
        case .sequence: formulas = steps
        case .missing: return nil
        }
        for formula in formulas {
            if let found = staleInput(of: formula, known), truth(of: formula, known, newestRead) == nil { return found }
        }
        return nil
    }

    private func staleInput(
        of formula: Int, _ known: borrowing Looks
    ) -> (look: Int, age: Int64, validity: Int64)? {
        for place in inputs(of: formula) {
            let look = known.look(ofInput: place)
            let validity = known.validity(look, within: shared.within)
            let age = newestRead.microseconds(since: known.time(look))
            guard age > validity, known.last(look)?.reading.quality == .good else { continue }
            return (look, age, validity)
        }
        return nil
    }
}
