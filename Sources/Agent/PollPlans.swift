// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Inputs
import Modbus

/// The plan of a link, as `headgate plan` shows it.
public struct PollPlans: Encodable {
    public struct Request: Encodable {
        public var device: String
        public var table: String
        /// As it goes over the wire: counted from zero.
        public var address: Int
        /// Registers, or bits.
        public var count: Int
        public var points: [String]
        public var requestsPerSecond: Double
        public var milliseconds: Double
        /// The part of the link's time.
        public var load: Double
    }

    public struct CostlyPoint: Encodable {
        public var device: String
        public var point: String
        public var load: Double
    }

    /// What a device has shown that its map does not say.
    public struct LearnedOfDevice: Encodable {
        public var device: String
        public var map: String
        /// In the order of their names, with the reason.
        public var refused: [String: String]
        /// What to add to the map's `modbus:`, or nil.
        public var limits: String?
    }

    public struct Link: Encodable {
        public var link: String
        public var endpoint: String
        /// Whether the time of a request follows from the speed of the line.
        public var isTimed: Bool
        /// Whether it was measured by a running gateway; where it is neither, it is taken for two milliseconds.
        public var isMeasured = false
        public var requests: [Request]
        public var requestsPerSecond: Double
        /// The part of the link's time that is taken: beyond 1 no schedule fits.
        public var load: Double
        public var costliest: [CostlyPoint]
        public var learned: [LearnedOfDevice] = []

        public var fits: Bool { load <= 1 }
    }

    public var links: [Link]

    /// - Parameter name: of one link; all without.
    public init(_ configuration: Configuration, link name: String?) throws(StartError) {
        let learned = LearnedFile(configuration)
        links = configuration.links.filter { name == nil || $0.name == name }.compactMap { link in
            guard let (endpoint, plan) = configuration.plan(of: link, learned) else { return nil }
            var shown = Link(link, endpoint, plan)
            shown.isMeasured = learned.cost(of: link.name, at: endpoint) != nil
            shown.learned = configuration.devices.filter { $0.link == link.name }.compactMap {
                LearnedOfDevice($0, learned.learned(of: $0.name))
            }
            return shown
        }
        guard links.isEmpty, let name else { return }
        let known = configuration.links.filter { configuration.plan(of: $0) != nil }.map(\.name)
        throw StartError(
            .unknownLink, "\(name) is not a Modbus link; the Modbus links are \(known.joined(separator: ", "))")
    }
}

extension PollPlans.Link {
    init(_ link: Configuration.Link, _ endpoint: ModbusEndpoint, _ plan: LinkPlan) {
        self.link = link.name
        self.endpoint = endpoint.description
        isTimed = endpoint.isSerial
        requests = plan.requests.map {
            PollPlans.Request(
                device: $0.device, table: $0.table.rawValue, address: Int($0.address), count: $0.count,
                points: $0.points, requestsPerSecond: $0.rate, milliseconds: Double($0.cost) / 1e6, load: $0.load)
        }
        requestsPerSecond = plan.rate
        load = plan.load
        costliest = plan.costliest.prefix(3).map {
            PollPlans.CostlyPoint(device: $0.device, point: $0.point, load: $0.load)
        }
    }
}

extension Configuration {
    /// What polling a link costs; nil where it is not Modbus.
    /// - Parameter learned: what was learnt of its devices, where that counts.
    func plan(of link: Link, _ learned: LearnedFile? = nil) -> (endpoint: ModbusEndpoint, plan: LinkPlan)? {
        guard case .modbus(let endpoint, _) = link.way else { return nil }
        return plan(of: link, at: endpoint, learned).map { (endpoint, $0) }
    }

    /// The same at another speed.
    func plan(of link: Link, at endpoint: ModbusEndpoint, _ learned: LearnedFile? = nil) -> LinkPlan? {
        let planned = devices.filter { $0.link == link.name }.compactMap { device -> LinkPlan.Device? in
            guard let limits = device.map.form.limits else { return nil }
            let points = device.map.points.compactMap { point -> (name: String, source: RegisterSource)? in
                if case .register(let source) = point.source { (point.name, source) } else { nil }
            }
            return LinkPlan.Device(
                name: device.name, limits: limits, points: points,
                learned: learned?.learned(of: device.name) ?? Learned())
        }
        return LinkPlan(planned, learned?.cost(of: link.name, at: endpoint) ?? RequestCost(endpoint))
    }
}

extension PollPlans.LearnedOfDevice {
    init?(_ device: Configuration.ConfiguredDevice, _ learned: Learned) {
        guard !learned.isEmpty, let limits = device.map.form.limits else { return nil }
        let registers = learned.registers ?? limits.registers
        let bits = learned.bits ?? limits.bits
        let gap = learned.tight.isEmpty ? limits.gap : 0
        self.device = device.name
        map = device.map.name
        refused = learned.refused
        let isLimited =
            learned.registers != nil || learned.bits != nil || !learned.tight.isEmpty || learned.pause != nil
        let pause = max(learned.pause ?? 0, limits.pause) / 1_000
        self.limits =
            isLimited
            ? "limits: { registers: \(registers), bits: \(bits), gap: \(gap)\(pause > 0 ? ", turnaround_delay: \(pause)ms" : "") }"
            : nil
    }
}
