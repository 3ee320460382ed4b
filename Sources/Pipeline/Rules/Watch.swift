// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// A rule for one device, and how far it is.
///
/// Formulas say yes, no, or nothing where a reading is not good or too old. Nothing never begins an alarm and never ends
/// one: an alarm that is under way goes on unconfirmed.
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

    // What most looks need comes first: of many thousands of watches, only that much is brought into the cache.
    let shared: SharedRule
    /// Where what its formulas are given begins among the inputs of all.
    let firstInput: Int
    private var lookedAt = Timestamp(microseconds: .min)
    private var heldSince: Timestamp?
    private var lastHeld: Timestamp?
    private(set) var active: Active?
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
    }

    /// Goes on from where it was before the gateway stopped. The quiet after an alarm is as long as the rule says now, and
    /// what is missing is so from now on: nobody knows what was said meanwhile.
    mutating func goOn(from other: Progress, now: Timestamp) {
        progress = other
        let cooldown = shared.rule.cooldown
        quietUntil = cooldown > 0 ? quietUntil.map { min($0, now.advanced(byMicroseconds: cooldown)) } : nil
    }

    /// How far it is, but for its alarm and for what is missing.
    struct Progress {
        var lookedAt: Timestamp
        var heldSince: Timestamp?
        var lastHeld: Timestamp?
        var quietUntil: Timestamp?
        var chain: SequenceChain
    }

    var progress: Progress {
        get {
            Progress(
                lookedAt: lookedAt, heldSince: heldSince, lastHeld: lastHeld, quietUntil: quietUntil, chain: chain)
        }
        set {
            lookedAt = newValue.lookedAt
            heldSince = newValue.heldSince
            lastHeld = newValue.lastHeld
            quietUntil = newValue.quietUntil
            chain = newValue.chain
        }
    }

    /// Goes on with an alarm of an earlier run.
    mutating func restore(_ alarm: Alarm, now: Timestamp) {
        active = Active(id: alarm.id, since: alarm.since, isConfirmed: false, lastTold: now)
    }

    // MARK: Readings

    /// - Parameters:
    ///   - newest: the time of the newest reading that has come.
    ///   - known: what is known of all of them.
    ///   - now: what the system's clock says.
    mutating func look(at known: borrowing Looks, time newest: Timestamp, now: Timestamp) -> Signal? {
        let back = newest.microseconds(since: lookedAt)
        if lookedAt > now || back < -shared.validity { move(by: back) }
        let time = max(newest, lookedAt)
        lookedAt = time
        switch shared.kind {
        case .holds:
            let holds = truth(of: 0, known, time)
            return active == nil ? begin(holds, time) : goOn(holds, until: untilHolds(known, time), time)
        case .sequence(let within):
            let steps = 0..<(shared.formulas.count - (shared.hasUntil ? 1 : 0))
            let truths = steps.map { truth(of: $0, known, time) }
            let causes = chain.step(
                truths, at: time, within: within,
                readings: steps.map { inputs(of: $0).map(known.look).compactMap(known.last) })
            if active != nil { return goOn(truths.last ?? nil, until: untilHolds(known, time), time) }
            return causes.flatMap { start(at: time, causes: $0) }
        case .missing:
            guard let reading = known.last(known.look(ofInput: firstInput))?.reading, reading.quality == .good else {
                return nil
            }
            // By when it comes, whatever time its device thinks it is.
            heard = now
            return active == nil ? nil : end(at: time)
        }
    }

    /// A clock was set back: what was before stays as long ago as it was.
    private mutating func move(by microseconds: Int64) {
        guard lookedAt.microseconds > .min else { return }
        lookedAt = lookedAt.advanced(byMicroseconds: microseconds)
        heldSince = heldSince?.advanced(byMicroseconds: microseconds)
        lastHeld = lastHeld?.advanced(byMicroseconds: microseconds)
        quietUntil = quietUntil?.advanced(byMicroseconds: microseconds)
        chain = SequenceChain()
    }

    /// The system's clock was set: what is missing is so no longer than before.
    mutating func clockWasSet(by microseconds: Int64, now: Timestamp) {
        heard = min(now, heard.advanced(byMicroseconds: microseconds))
        quietUntil = quietUntil?.advanced(byMicroseconds: microseconds)
        if let told = active?.lastTold { active?.lastTold = min(now, told.advanced(byMicroseconds: microseconds)) }
    }

    private func inputs(of formula: Int) -> Range<Int> {
        firstInput + shared.starts[formula]..<firstInput + shared.starts[formula + 1]
    }

    /// Of all its formulas.
    var inputs: Range<Int> { firstInput..<firstInput + (shared.starts.last ?? 0) }

    private func untilHolds(_ known: borrowing Looks, _ time: Timestamp) -> Bool? {
        guard shared.hasUntil else { return nil }
        return truth(of: shared.formulas.count - 1, known, time) ?? false
    }

    private func truth(of formula: Int, _ known: borrowing Looks, _ time: Timestamp) -> Bool? {
        let inputs = inputs(of: formula)
        let validity = shared.validity
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, inputs.count)) { numbers in
            for place in inputs {
                numbers[place - inputs.lowerBound] = known.number(
                    known.look(ofInput: place), at: time, validity: validity)
            }
            let result = shared.formulas[formula].evaluate(UnsafeBufferPointer(rebasing: numbers[..<inputs.count]))
            return result.isNaN ? nil : result != 0
        }
    }

    private mutating func begin(_ holds: Bool?, _ time: Timestamp) -> Signal? {
        guard let holds else {
            // Whether it held meanwhile is not known: it begins anew once that is too long.
            if let lastHeld, time.microseconds(since: lastHeld) > shared.rule.validity { heldSince = nil }
            return nil
        }
        guard holds else {
            heldSince = nil
            return nil
        }
        if let lastHeld, time.microseconds(since: lastHeld) > shared.rule.validity { heldSince = nil }
        lastHeld = time
        let since = heldSince ?? time
        heldSince = since
        return time.microseconds(since: since) >= shared.rule.holdFor ? start(at: time) : nil
    }

    /// - Parameter until: nil where the condition itself says when it is over.
    private mutating func goOn(_ holds: Bool?, until: Bool?, _ time: Timestamp) -> Signal? {
        let isOver = until.map { $0 && holds != true } ?? (holds == false)
        if isOver { return end(at: time) }
        if holds == true { lastHeld = time }
        let isConfirmed = holds != nil
        guard active?.isConfirmed != isConfirmed else { return nil }
        active?.isConfirmed = isConfirmed
        active?.lastTold = time
        return Signal(phase: .continue, remark: isConfirmed ? .confirmed : .unconfirmed, time: time)
    }

    // MARK: Phases

    private mutating func start(at time: Timestamp, causes: [Cause] = []) -> Signal? {
        if let quietUntil, time < quietUntil { return nil }
        let id = "\(shared.rule.name)/\(deviceID)/\(String(time.microseconds, radix: 16))"
        active = Active(id: id, since: time, isConfirmed: true, lastTold: time)
        return Signal(phase: .start, time: time, causes: causes)
    }

    private mutating func end(at time: Timestamp) -> Signal {
        heldSince = nil
        quietUntil = time.advanced(byMicroseconds: shared.rule.cooldown)
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

    /// What time alone brings.
    mutating func advance(to now: Timestamp) -> Signal? {
        if let active {
            guard let repeats = shared.rule.repeats, now.microseconds(since: active.lastTold) >= repeats else {
                return nil
            }
            self.active?.lastTold = now
            return Signal(phase: .continue, remark: .repeated, time: now)
        }
        // A clock that was set back says nothing of how long it is.
        heard = min(heard, now)
        guard case .missing = shared.rule.condition, now.microseconds(since: heard) >= shared.rule.holdFor else {
            return nil
        }
        return start(at: now)
    }

    /// Takes back that the alarm was told, as nobody heard of it: it is told with the next reading.
    mutating func forget(_ phase: Alarm.Phase, _ alarm: Alarm) {
        switch phase {
        case .start where active?.id == alarm.id: active = nil
        case .end where active == nil:
            active = Active(id: alarm.id, since: alarm.since, isConfirmed: true, lastTold: alarm.since)
            quietUntil = nil
        default: break
        }
    }
}
