// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Modbus

/// What polling costs on a link, before anything is polled. Pure.
public struct LinkPlan: Sendable {
    /// A device as far as a plan is concerned.
    public struct Device: Sendable {
        public var name: String
        public var limits: ModbusLimits
        public var points: [(name: String, source: RegisterSource)]
        public var learned: Learned

        public init(
            name: String, limits: ModbusLimits, points: [(name: String, source: RegisterSource)], learned: Learned
        ) {
            self.name = name
            self.limits = limits
            self.points = points
            self.learned = learned
        }
    }

    /// A request that comes again and again.
    public struct Request: Sendable {
        public var device: String
        public var table: RegisterTable
        public var address: UInt16
        public var count: Int
        public var points: [String]
        /// Nanoseconds of the link.
        public var cost: Int64
        /// How often it is asked, a second, on the average.
        public var rate: Double

        /// The part of the link's time that it takes: 1 is all of it.
        public var load: Double { rate * Double(cost) / 1e9 }
    }

    public let requests: [Request]

    public init(_ devices: [Device], _ cost: RequestCost) {
        requests = devices.flatMap { Self.requests(of: $0, cost) }
    }

    /// The part of the link's time that is taken: beyond 1 no schedule fits.
    public var load: Double { requests.reduce(0) { $0 + $1.load } }

    public var rate: Double { requests.reduce(0) { $0 + $1.rate } }

    /// The points that cost most, dearest first: a request's load is shared among its points.
    public var costliest: [(device: String, point: String, load: Double)] {
        var loads: [String: [String: Double]] = [:]
        for request in requests {
            for point in request.points {
                loads[request.device, default: [:]][point, default: 0] += request.load / Double(request.points.count)
            }
        }
        return loads.flatMap { device, points in points.map { (device, $0.key, $0.value) } }
            .sorted { ($1.2, $0.0, $0.1) < ($0.2, $1.0, $1.1) }
    }

    // MARK: What comes how often

    /// Intervals that hardly ever fall together are looked at for as many polls.
    private static let mostPolls = 4_096

    /// Polls until all intervals fall together again, and counts.
    private static func requests(of device: Device, _ cost: RequestCost) -> [Request] {
        let start = Moment.now
        let cuts = PollCuts(device.learned, names: device.points.map(\.name))
        let pauses = PauseLearner(least: device.limits.pause, learned: device.learned.pause)
        let cost = cost.with(pause: pauses.pause)
        var schedule = PollSchedule(device.points.map(\.source), device.limits, cost, cuts, start: start)
        let end = start + .microseconds(cycle(of: device))
        var counts: [ReadRequest: Int] = [:]
        var order: [ReadRequest] = []
        var polls = 0
        while let due = schedule.nextDue, due < end, polls < mostPolls {
            for request in schedule.take(at: due).plan.requests {
                if counts[request] == nil { order.append(request) }
                counts[request, default: 0] += 1
            }
            polls += 1
        }
        let seconds = start.duration(to: min(end, schedule.nextDue ?? end)) / .seconds(1)
        return order.map { request in
            Request(
                device: device.name, table: request.table, address: request.address, count: request.count,
                points: request.points.map { device.points[$0].name },
                cost: cost.of(request.count, in: request.table),
                rate: Double(counts[request] ?? 0) / seconds)
        }
    }

    /// Microseconds after which all intervals fall together again; a day where that takes longer.
    private static func cycle(of device: Device) -> Int64 {
        let longest: Int64 = 86_400_000_000
        var cycle: Int64 = 1
        for every in Set(device.points.map(\.source.every)) {
            let (product, isTooMuch) = cycle.multipliedReportingOverflow(by: every / divisor(cycle, every))
            if isTooMuch || product > longest { return longest }
            cycle = product
        }
        return cycle
    }

    private static func divisor(_ one: Int64, _ other: Int64) -> Int64 {
        other == 0 ? one : divisor(other, one % other)
    }
}
