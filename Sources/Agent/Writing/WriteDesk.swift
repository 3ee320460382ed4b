// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import DeviceMaps
import Events
import Inputs
import Logging
import Metrics
import Schemas

/// Writes points where map and configuration allow it, and leaves an event of every attempt.
///
///     headgate write ─┐                 ┌─▶ event (accepted) ─▶ COMMIT ─▶ queue of the link ─▶ device ─▶ read back
///     command topic ──┴─▶ wish ─▶ judge ┴─▶ event (refused)                                       event (done, failed) ◀─┘
final class WriteDesk: PointWriter {
    /// Where each device is: who may be written at all is in here.
    private let targets: [String: Target]
    private let known: Set<String>
    private let collector: any Collecting
    private let logger: Logger
    /// What is to be told of orders that have ended, one after the other: their events are in the order of the ends.
    private let outcomes: AsyncStream<@Sendable () async -> Void>.Continuation

    struct Target: Sendable {
        var device: Configuration.ConfiguredDevice
        var number: DeviceNumber
        var unit: UInt8
        var queue: WriteQueue
    }

    /// - Parameters:
    ///   - targets: the devices that may be written.
    ///   - known: the names of all devices.
    init(targets: [String: Target], known: Set<String>, collector: any Collecting, logger: Logger) {
        self.logger = logger
        self.targets = targets
        self.known = known
        self.collector = collector
        let (told, outcomes) = AsyncStream.makeStream(of: (@Sendable () async -> Void).self)
        self.outcomes = outcomes
        Task { for await tell in told { await tell() } }
    }

    deinit { outcomes.finish() }

    // MARK: From this machine

    func write(_ request: WriteRequest) async -> WriteReport {
        let wish = WriteWish(
            id: WriteWish.randomID(), device: request.device, point: request.point,
            value: AskedValue(argument: request.value), by: request.by,
            deadline: Timestamp.now.advanced(byMicroseconds: Int64(request.within) * 1_000))
        let outcome = await carryOut(wish)
        return WriteReport(
            id: wish.id, device: wish.device, point: wish.point, value: JSONDocument(wish.value.json.utf8) ?? .null,
            phase: "\(outcome.phase.name)", reason: outcome.reason.isEmpty ? nil : outcome.reason,
            code: WriteAttempt.code(ofReason: outcome.reason),
            explanation: outcome.explanation.isEmpty ? nil : outcome.explanation,
            found: JSONDocument(outcome.found.utf8))
    }

    private func carryOut(_ wish: WriteWish) async -> WriteOutcome {
        do throws(WriteRefusal) {
            let order = try judge(wish)
            var batch = Batch()
            record(wish, WriteOutcome(.accepted), into: &batch)
            guard await collector.takeDurably(batch) else { throw WriteRefusal("stopping", "the gateway is stopping") }
            return await withCheckedContinuation { continuation in
                begin(wish, order) { continuation.resume(returning: $0) }
            }
        } catch {
            let outcome = WriteOutcome(.refused, error.reason, error.description)
            var batch = Batch()
            record(wish, outcome, into: &batch)
            _ = await collector.takeDurably(batch)
            return outcome
        }
    }

    // MARK: The way of a wish

    struct Order: Sendable {
        var target: Target
        var point: Point
        var write: WriteOrder
    }

    /// Whether a wish may be carried out, and as what.
    /// - Parameter longestDeadline: how far ahead its deadline may be, in microseconds.
    func judge(_ wish: WriteWish, longestDeadline: Int64 = Configuration.Writes.usualDeadline) throws(WriteRefusal)
        -> Order
    {
        guard let target = targets[wish.device] else {
            guard known.contains(wish.device) else {
                throw WriteRefusal("unknown_device", "the configuration has no device \(wish.device)")
            }
            throw WriteRefusal(
                "not_allowed",
                "the configuration does not allow writing to \(wish.device): add it to writes: { devices: [...] }")
        }
        guard let point = target.device.map.points.first(where: { $0.name == wish.point }) else {
            throw WriteRefusal("unknown_point", "the map \(target.device.map.name) has no point \(wish.point)")
        }
        let value = try point.encode(wish.value)
        guard case .register(let source) = point.source, let writable = point.writable else {
            throw WriteRefusal("not_writable", "the point \(point.name) is not `writable` in the map")
        }
        let left = wish.deadline.microseconds(since: .now)
        guard left > 0 else { throw WriteRefusal("expired", "the deadline of the command has passed") }
        // A gateway whose clock is behind takes what is long over for what is to come.
        guard left <= longestDeadline else {
            throw WriteRefusal(
                "deadline_too_far",
                "the deadline of the command is more than \(longestDeadline / 1_000_000) s after the time of the gateway"
            )
        }
        return Order(
            target: target, point: point,
            write: WriteOrder(
                unit: target.unit, table: source.table, address: source.address, value: value,
                usesMultiple: writable.usesMultiple, deadline: .now + .microseconds(left),
                isKept: { point.holds(value, $0) }))
    }

    /// Puts an order into its link's queue, behind those that were begun before, and leaves the event that says how it
    /// went.
    func begin(_ wish: WriteWish, _ order: Order, then: @escaping @Sendable (WriteOutcome) -> Void = { _ in }) {
        order.target.queue.submit(order.write) { [self] result in
            let outcome = Self.outcome(of: result, order.point)
            outcomes.yield {
                var batch = Batch()
                self.record(wish, outcome, into: &batch)
                _ = await self.collector.takeDurably(batch)
                then(outcome)
            }
        }
    }

    /// Ends what is under way: the gateway stops, and those who wait for an outcome are to have it while there is time.
    func close() {
        for target in targets.values { target.queue.close() }
    }

    private static func outcome(of result: WriteResult, _ point: Point) -> WriteOutcome {
        switch result {
        case .done(let found): WriteOutcome(.done, found: point.json(of: found))
        case .refused(let reason):
            WriteOutcome(.refused, reason, explain(reason) + "; the gateway sent nothing to the device")
        case .failed(let reason, let found):
            WriteOutcome(
                .failed, reason,
                explain(reason) + (found.isEmpty ? "; whether the device has the value is unknown" : ""),
                found: found.isEmpty ? "" : point.json(of: found))
        }
    }

    private static func explain(_ reason: String) -> String {
        switch reason {
        case "busy": "too many writes already wait for this link"
        case "expired": "the link was busy until the deadline"
        case "stopping": "the gateway is stopping"
        case "not_kept": "the device kept another value, which was read back"
        case "timeout": "the device does not respond"
        default: "the device or its link reports \(reason)"
        }
    }

    func record(_ wish: WriteWish, _ outcome: WriteOutcome, into batch: inout Batch) {
        Counter(label: "headgate_writes_total", dimensions: [("phase", "\(outcome.phase.name)")]).increment()
        logger.notice(
            "write",
            metadata: [
                "device": "\(wish.device)", "point": "\(wish.point)", "value": "\(wish.value.json)",
                "by": "\(wish.by)", "phase": "\(outcome.phase.name)", "reason": "\(outcome.reason)",
                "write": "\(wish.id)",
            ])
        batch.append(
            WriteAttempt(
                id: wish.id, device: wish.device, point: wish.point, value: wish.value.json, by: wish.by,
                deadline: wish.deadline, phase: outcome.phase, reason: outcome.reason, found: outcome.found),
            device: targets[wish.device]?.number ?? .gateway, time: .now)
    }
}

/// What somebody wants written.
struct WriteWish: Sendable {
    var id: String
    var device: String
    var point: String
    var value: AskedValue
    var by: String
    var deadline: Timestamp

    static func randomID() -> String { String(UInt64.random(in: .min ... .max), radix: 16, padded: 16) }
}

/// How it went.
struct WriteOutcome: Sendable {
    var phase: WriteAttempt.Phase
    var reason: String
    var explanation: String
    /// As JSON.
    var found: String

    init(_ phase: WriteAttempt.Phase, _ reason: String = "", _ explanation: String = "", found: String = "") {
        self.phase = phase
        self.reason = reason
        self.explanation = explanation
        self.found = found
    }
}

extension Point {
    /// What registers or a bit mean, as JSON.
    fileprivate func json(of words: [UInt16]) -> String {
        var batch = Batch()
        var reading = Reading(series: SeriesNumber(raw: 0), time: .now, value: .none)
        if case .register(let source) = source {
            (reading.value, reading.quality, reading.reason) = words.withUnsafeBufferPointer {
                source.layout.decode($0, absent: source.absent, into: &batch)
            }
        }
        interpret(&reading, texts: &batch)
        var out = ByteWriter()
        out.json(reading.value, of: batch)
        return String(decoding: out.bytes, as: UTF8.self)
    }
}
