// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Metrics
import Modbus
import Waiting

/// What a device shows that its map does not say.
extension DevicePoller {
    mutating func refused(_ request: ReadRequest, _ reason: Reason, in round: inout Round) -> [ReadRequest] {
        var bisection = round.bisection ?? Bisection(of: request, device.points.map(\.source))
        let parts = bisection.refuse(request, reason)
        if !parts.isEmpty { measures.splits.increment() }
        conclude(bisection, in: &round)
        return parts
    }

    mutating func answered(_ request: ReadRequest, in round: inout Round, _ time: Timestamp) {
        if let place = request.points.first, request.points.count == 1, schedule.cuts.refused[place] != nil {
            round.refused.removeAll { $0 == place }
            spoilRefused(of: round, time)
            round.refused.removeAll()
            // It may have all of them by now: what it has not is found out again.
            schedule.cuts.refused.removeAll()
            isChanged = true
        }
        guard var bisection = round.bisection else { return }
        bisection.answer(request)
        conclude(bisection, in: &round)
    }

    mutating func conclude(_ bisection: Bisection, in round: inout Round) {
        round.bisection = bisection.finding == nil ? bisection : nil
        guard let finding = bisection.finding else { return }
        let before = schedule.cuts
        schedule.cuts.learn(finding, of: bisection.whole)
        guard schedule.cuts != before else { return }
        isChanged = true
        retryPause.reset()
        retryAt = .now + retryPause.next(fraction: 1)
    }

    /// A request that is refused again is asked in parts in the same round, and its limit is known again.
    mutating func forgetLimits(at now: Moment) {
        limitsRetryAt = now + Self.limitsRetryPause
        // A pause that helps is kept: to look whether it still must be costs misses.
        if pauses.learned == nil { pauses = PauseLearner(least: device.limits.pause) }
        guard schedule.cuts.registers != nil || schedule.cuts.bits != nil || !schedule.cuts.tight.isEmpty else {
            return
        }
        (schedule.cuts.registers, schedule.cuts.bits, schedule.cuts.tight) = (nil, nil, [])
        isChanged = true
    }

    /// Plans with other prices from the next round on.
    mutating func replan(_ cost: RequestCost) {
        self.cost = cost
        schedule.cost = cost.with(pause: pauses.pause)
    }

    /// Whether it was asked too soon.
    mutating func note(_ answer: ModbusConnection.Answer, to request: ReadRequest) {
        guard let gap = answer.gap, answer.error.map({ $0.kind == .timeout }) ?? true else { return }
        let known = (pauses.pause, pauses.learned)
        pauses.note(request, missed: answer.error != nil, gap: gap)
        if pauses.pause != known.0 { replan(cost) }
        if pauses.learned != known.1 { isChanged = true }
    }

    /// What has been learnt; nil where that is nothing new since the last call.
    mutating func takeLearned() -> Learned? {
        guard isChanged else { return nil }
        isChanged = false
        return Learned(schedule.cuts, pause: pauses.learned, names: device.points.map(\.name))
    }

    /// One of the points that are not there, less and less often.
    mutating func retried(at now: Moment) -> ReadRequest? {
        guard retryAt <= now, let place = schedule.cuts.refused.keys.randomElement() else { return nil }
        retryAt = now + retryPause.next(fraction: 1)
        let source = device.points[place].source
        let span = source.span
        return ReadRequest(table: source.table, address: UInt16(span.lowerBound), count: span.count, points: [place])
    }
}
