// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Metrics
import Modbus
import Waiting

/// Polls one device: what is due, in cheap requests, and what it means that an answer does not come.
///
/// A poll is a round of requests, and one event in the end. Between two requests of a round a unit with critical points may
/// have the link.
struct DevicePoller {
    let device: ModbusDevice
    /// The device's points as their answers are taken apart.
    private let slots: [PollSlot]
    private let hasCritical: Bool
    let measures: PollMeasures
    private let warnings: any WarningSink
    private let answersAs: AnsweringUnit
    /// Whether it was warned of an answer under another unit's number.
    private var hasOtherUnit = false
    var schedule: PollSchedule
    /// What requests on the link are worth, but for what the device wants of pauses.
    var cost: RequestCost
    var pauses: PauseLearner
    var presence: DevicePresence
    /// The request that was not answered last.
    private var hung: ReadRequest?
    private var probePause = Backoff(base: .seconds(1), cap: .seconds(10))
    private var round: Round?
    /// When one of the points that it does not have is asked for again: one that was only starting up has them soon.
    var retryAt: Moment
    var retryPause = Backoff(base: .seconds(10), cap: .seconds(600))
    var isChanged = false
    /// When it is tried whether the device takes by now what it refused: an answer that large, a gap read through.
    var limitsRetryAt: Moment
    static let limitsRetryPause = Duration.seconds(86_400)
    /// What it wants of its link next.
    private(set) var wish: LinkTurns.Wish
    /// Whether a round is begun and not over.
    private(set) var isUnderWay = false
    /// The event of the round under way; complete once `step` says so.
    var batch = Batch()

    struct Round {
        var requests: ArraySlice<ReadRequest>
        var wish: LinkTurns.Wish
        /// Points that are known not to be there.
        var refused: [Int]
        var eventTime: Timestamp?
        var bisection: Bisection?
        var origin: Origin

        /// Notes how well the time of an answer is known.
        mutating func note(_ answer: ModbusConnection.Answer) {
            eventTime = eventTime ?? answer.time
            origin.uncertainty = max(origin.uncertainty, UInt32(clamping: answer.uncertainty))
        }
    }

    /// - Parameter presence: what is known of it from before.
    init(
        _ device: ModbusDevice, link: String, cost: RequestCost, presence: DevicePresence = DevicePresence(),
        settings: ModbusLinkSettings, start: Moment
    ) {
        (warnings, answersAs) = (settings.warnings, settings.answersAs)
        self.device = device
        self.presence = presence
        slots = device.points.map(PollSlot.init)
        hasCritical = device.points.contains { $0.lane == .critical }
        measures = PollMeasures(device: device.id, link: link, monitor: settings.monitor)
        let cuts = PollCuts(device.learned, names: device.points.map(\.name))
        pauses = PauseLearner(least: device.limits.pause, learned: device.learned.pause)
        self.cost = cost
        schedule = PollSchedule(
            device.points.map(\.source), device.limits, cost.with(pause: pauses.pause), cuts,
            start: start + Self.phase(of: device, on: link))
        retryAt = start + retryPause.next(fraction: 1)
        limitsRetryAt = start + Self.limitsRetryPause
        wish = LinkTurns.Wish(due: start, deadline: start)
        wish = nextWish
    }

    /// How long after the start a device is polled first: less than a second and than its shortest interval, not the same
    /// on all links. Fifty links that wake up at one moment wait for one another each time; of one link the units go
    /// together, as each time it wakes up costs more than what it then asks.
    private static func phase(of device: ModbusDevice, on link: String) -> Duration {
        let shortest = min(device.points.lazy.map(\.source.every).min() ?? 0, 1_000_000)
        return .microseconds(Double(shortest) * Spread.fraction(of: link))
    }

    /// A device without points is never due.
    private var nextWish: LinkTurns.Wish {
        guard let due = schedule.nextDue, let deadline = schedule.nextDeadline else {
            let never = Moment.now + .seconds(3_600)
            return LinkTurns.Wish(due: never, deadline: never)
        }
        return LinkTurns.Wish(
            due: due, deadline: deadline,
            isCritical: hasCritical, isSilent: presence.isSilent)
    }

    // MARK: Rounds

    /// What a request was good for.
    enum Step {
        /// There is more to ask.
        case partly
        /// The round is over, with the device come or gone in it.
        case over(StatusChange?)
    }

    /// Asks for the next of what is due.
    /// - Parameter silent: how many of the link's units do not answer while others do: they share what asking costs.
    mutating func step(over connection: inout ModbusConnection, at now: Moment, silent: Int) -> Step {
        let step = ask(over: &connection, at: now, silent: silent)
        isUnderWay = round != nil
        wish = round?.wish ?? nextWish
        return step
    }

    private mutating func ask(over connection: inout ModbusConnection, at now: Moment, silent: Int) -> Step {
        var round = round.take() ?? begin(at: now)
        guard let request = round.requests.popFirst() else {
            spoilRefused(of: round, .now)
            batch.closeTelemetry(device: device.number, time: .now)
            return .over(nil)
        }
        let answer = connection.read(request, unit: device.unit, pause: pauses.pause(before: request))
        note(answer, to: request)
        let took = answer.done.nanoseconds(since: answer.asked)
        measures.record(answer.error, took: took)
        if let error = answer.error {
            guard error.kind == .exception, !error.isOfGateway else {
                // One request that hangs says enough: asking on would hold the link for as many timeouts.
                hung = request
                if error.kind == .otherUnit, let unit = connection.otherUnit() { warnOfOtherUnit(unit) }
                let pause = Self.pause(after: error, took: .nanoseconds(took), silent: silent)
                return .over(end(round, unanswered: [request] + round.requests, answer.time, error, pause))
            }
            round.eventTime = round.eventTime ?? answer.time
            let parts = error.isOfAddresses ? refused(request, Reason(error), in: &round) : []
            if parts.isEmpty { spoil(request, answer.time, Reason(error)) }
            round.requests = parts + round.requests
        } else {
            if hung != nil, request == hung { hung = nil }
            if hasOtherUnit {
                hasOtherUnit = false
                warnings.clear(.otherUnitAnswered, of: device.id)
            }
            round.wish.isSilent = false
            round.note(answer)
            answered(request, in: &round, answer.time)
            decode(request, connection, answer.time)
            keep(request, connection, &round.origin)
        }
        guard round.requests.isEmpty else {
            round.wish.isCritical = isCritical(round.requests.first)
            self.round = round
            return .partly
        }
        return .over(end(round, answer.time))
    }

    private mutating func begin(at now: Moment) -> Round {
        var wish = wish
        measures.record(delay: now.nanoseconds(since: wish.due))
        if limitsRetryAt <= now { forgetLimits(at: now) }
        let (planned, missed) = schedule.take(at: now)
        measures.polls.increment()
        if missed > 0 { measures.missed.increment(by: missed) }
        var requests = hungLast(criticalFirst(planned.requests))
        if let retried = retried(at: now) { requests.append(retried) }
        wish.deadline = schedule.nextDue ?? wish.deadline
        wish.isBegun = true
        let provenance = device.mapHash.map { Provenance(mapHash: $0) }
        return Round(
            requests: requests[...], wish: wish, refused: planned.refused, origin: Origin(provenance: provenance))
    }

    private func criticalFirst(_ requests: [ReadRequest]) -> [ReadRequest] {
        hasCritical ? requests.filter { isCritical($0) } + requests.filter { !isCritical($0) } : requests
    }

    private func isCritical(_ request: ReadRequest?) -> Bool {
        hasCritical && request?.points.contains { slots[$0].isCritical } ?? false
    }

    /// What hung the last time is asked last: a range that a device never answers does not hide the others.
    private func hungLast(_ requests: [ReadRequest]) -> [ReadRequest] {
        guard let hung, let place = requests.firstIndex(of: hung) else { return requests }
        return Array(requests[(place + 1)...] + requests[...place])
    }

    private mutating func warnOfOtherUnit(_ unit: UInt8) {
        hasOtherUnit = true
        warnings.warn(
            .otherUnitAnswered, of: device.id,
            "the gateway sent a request to unit \(device.unit), and unit \(unit) responded: the value may be of another device, and is not used",
            next:
                "check the unit ID, and look for another master or a late response on the line; if the device always responds "
                + "as \(unit), write response_unit_id: \(unit) at its link")
    }

    // MARK: How a round ends

    /// Every request was answered, if only by a refusal.
    private mutating func end(_ round: Round, _ time: Timestamp, hasFailed: Bool = false) -> StatusChange? {
        measures.polled(hasFailed: hasFailed, isOffline: false)
        let eventTime = round.eventTime ?? time
        let change = presence.answered(at: eventTime)
        spoilRefused(of: round, eventTime)
        batch.closeTelemetry(device: device.number, time: eventTime, origin: round.origin)
        if let change {
            probePause.reset()
            batch.append(change, device: device.number, time: eventTime)
        }
        return change
    }

    /// A request was not answered: where others were, the device is there.
    private mutating func end(
        _ round: Round, unanswered: ArraySlice<ReadRequest>, _ time: Timestamp, _ error: ModbusError, _ pause: Duration
    ) -> StatusChange? {
        guard let eventTime = round.eventTime else { return fail(time, Reason(error), pause) }
        for request in unanswered { spoil(request, eventTime, Reason(error)) }
        return end(round, eventTime, hasFailed: true)
    }

    /// A poll that brought nothing. The third in a row makes the device offline and its points bad, once; from then on
    /// it is asked less often.
    /// - Parameter pause: how long at least it is left alone then.
    private mutating func fail(_ time: Timestamp, _ reason: Reason, _ pause: Duration) -> StatusChange? {
        let change = presence.failed(at: time, reason)
        measures.polled(hasFailed: true, isOffline: presence.isOffline)
        if let change {
            for point in device.points { batch.readings.append(.bad(point.series, time: time, .offline)) }
            batch.closeTelemetry(device: device.number, time: time)
            batch.append(change, device: device.number, time: time)
        }
        if presence.isOffline { schedule.postpone(until: .now + max(pause, probePause.next(fraction: 1))) }
        return change
    }

    /// A link that is down is another matter: it costs the others nothing to ask.
    private static func pause(after error: ModbusError, took: Duration, silent: Int) -> Duration {
        error.kind == .disconnected ? .zero : LinkTurns.rest(after: took, silent: silent)
    }

    /// Where it is asked for, what the readings are made of goes with them.
    private func keep(_ request: ReadRequest, _ connection: borrowing ModbusConnection, _ origin: inout Origin) {
        guard origin.provenance != nil else { return }
        origin.provenance?.spans.append(
            Provenance.Span(
                table: request.table.rawValue, address: request.address, words: connection.words(of: request)))
    }

    // MARK: Readings

    private mutating func decode(
        _ request: ReadRequest, _ connection: borrowing ModbusConnection, _ time: Timestamp
    ) {
        for place in request.points {
            let slot = slots[place]
            let offset = Int(slot.address - request.address)
            var reading = Reading(series: slot.series, time: time, value: .none)
            if let value = slot.value(connection.registers, at: offset) {
                reading.value = value
            } else if request.table.holdsBits {
                reading.value = .boolean(connection.flags[offset] != 0)
            } else {
                decode(device.points[place].source, request, connection.registers, &reading)
            }
            batch.readings.append(reading)
        }
    }

    private mutating func decode(
        _ source: RegisterSource, _ request: ReadRequest, _ registers: UnsafeBufferPointer<UInt16>,
        _ reading: inout Reading
    ) {
        let start = source.span.lowerBound - Int(request.address)
        let words = registers.extracting(start..<(start + source.span.count))
        (reading.value, reading.quality, reading.reason) = source.decode(words, into: &batch)
    }

    mutating func spoilRefused(of round: Round, _ time: Timestamp) {
        for place in round.refused {
            guard let reason = schedule.cuts.refused[place] else { continue }
            batch.readings.append(.bad(device.points[place].series, time: time, reason))
        }
    }

    private mutating func spoil(_ request: ReadRequest, _ time: Timestamp, _ reason: Reason) {
        for place in request.points {
            batch.readings.append(.bad(device.points[place].series, time: time, reason))
        }
    }
}
