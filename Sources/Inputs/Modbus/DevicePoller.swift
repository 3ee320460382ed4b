// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Metrics
import Modbus
import Waiting

/// Polls one device: what is due, in few requests, and what it means that an answer does not come.
struct DevicePoller {
    let device: ModbusDevice
    /// The device's points as their answers are taken apart.
    private let slots: [Slot]
    private let measures: PollMeasures
    private var schedule: PollSchedule
    private var presence = DevicePresence()
    /// The request that was not answered last.
    private var hung: ReadRequest?
    private var probePause = Backoff(base: .seconds(1), cap: .seconds(10))

    init(_ device: ModbusDevice, link: String, start: ContinuousClock.Instant) {
        self.device = device
        slots = device.points.map(Slot.init)
        measures = PollMeasures(device: device.id, link: link)
        schedule = PollSchedule(device.points.map(\.source), device.limits, start: start)
    }

    /// A device without points is never due.
    var nextDue: ContinuousClock.Instant { schedule.nextDue ?? .now + .seconds(3_600) }

    /// Reads what is due and puts it into `batch` as one event.
    /// - Returns: whether the device came or went with it.
    mutating func poll(over connection: inout ModbusConnection, into batch: inout Batch) -> StatusChange? {
        let (planned, missed) = schedule.take(at: .now)
        var requests = hungLast(planned)
        measures.polls.increment()
        if missed > 0 { measures.missed.increment(by: missed) }
        var eventTime: Timestamp?
        var unanswered: ArraySlice<ReadRequest> = []
        var failure: (time: Timestamp, error: ModbusError)?
        var index = 0
        while index < requests.count {
            let request = requests[index]
            let asked = ContinuousClock.now
            let answer = connection.read(request, unit: device.unit)
            measures.record(answer.error, took: asked.duration(to: .now))
            guard let error = answer.error else {
                if hung != nil, request == hung { hung = nil }
                eventTime = eventTime ?? answer.time
                decode(request, connection, answer.time, into: &batch)
                index += 1
                continue
            }
            if error.isOfAddresses, let parts = schedule.split(request) {
                measures.splits.increment()
                requests.replaceSubrange(index...index, with: parts)
                continue
            }
            if error.kind == .exception, !error.isOfGateway {
                eventTime = eventTime ?? answer.time
                spoil(request, answer.time, Reason(error), &batch)
                index += 1
                continue
            }
            // One request that hangs says enough: asking on would hold the link for as many timeouts.
            failure = (answer.time, error)
            hung = request
            unanswered = requests[index...]
            break
        }
        guard let eventTime else { return fail(failure, into: &batch) }
        for request in unanswered { spoil(request, eventTime, failure.map { Reason($0.error) } ?? .timeout, &batch) }
        let change = presence.answered(at: eventTime)
        batch.closeTelemetry(device: device.number, time: eventTime)
        if let change {
            probePause.reset()
            batch.append(change, device: device.number, time: eventTime)
        }
        return change
    }

    /// What hung the last time is asked last: a range that a device never answers does not hide the others.
    private func hungLast(_ requests: [ReadRequest]) -> [ReadRequest] {
        guard let hung, let place = requests.firstIndex(of: hung) else { return requests }
        return Array(requests[(place + 1)...] + requests[...place])
    }

    /// A poll that brought nothing. The third in a row makes the device offline and its points bad, once; from then on
    /// it is asked less often.
    private mutating func fail(
        _ failure: (time: Timestamp, error: ModbusError)?, into batch: inout Batch
    ) -> StatusChange? {
        guard let failure else { return nil }
        let change = presence.failed(at: failure.time, Reason(failure.error))
        if let change {
            for point in device.points { batch.readings.append(.bad(point.series, time: failure.time, .offline)) }
            batch.closeTelemetry(device: device.number, time: failure.time)
            batch.append(change, device: device.number, time: failure.time)
        }
        if presence.isOffline { schedule.postpone(until: .now + probePause.next(fraction: 1)) }
        return change
    }

    // MARK: Readings

    private func decode(
        _ request: ReadRequest, _ connection: borrowing ModbusConnection, _ time: Timestamp, into batch: inout Batch
    ) {
        let (registers, flags) = (connection.registers, connection.flags)
        let holdsBits = request.table.holdsBits
        for place in request.points {
            let slot = slots[place]
            let offset = Int(slot.address - request.address)
            var reading = Reading(series: slot.series, time: time, value: .none)
            if holdsBits {
                reading.value = .boolean(flags[offset] != 0)
            } else {
                (reading.value, reading.quality, reading.reason) = slot.layout.decode(
                    registers.extracting(offset..<(offset + slot.layout.registers)),
                    absent: slot.hasAbsent ? device.points[place].source.absent : [], into: &batch)
            }
            batch.readings.append(reading)
        }
    }

    private func spoil(_ request: ReadRequest, _ time: Timestamp, _ reason: Reason, _ batch: inout Batch) {
        for place in request.points {
            batch.readings.append(.bad(device.points[place].series, time: time, reason))
        }
    }
}

/// What is needed of a point for each of its readings: small and trivially copied, where a point would retain and
/// release what it refers to.
private struct Slot {
    var series: SeriesNumber
    var address: UInt16
    var layout: RegisterLayout
    var hasAbsent: Bool

    init(_ point: ModbusDevice.Point) {
        series = point.series
        address = point.source.address
        layout = point.source.layout
        hasAbsent = !point.source.absent.isEmpty
    }
}
