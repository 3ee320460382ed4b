// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Modbus

/// A line or endpoint and the devices on it.
public struct ModbusLinkSettings: Sendable {
    public var name: String
    public var endpoint: ModbusEndpoint
    /// Longest wait for an answer, in microseconds.
    public var timeout: Int64
    public var devices: [ModbusDevice]
    /// Those that are to say themselves what they have.
    public var sunSpec: [SunSpecDevice]
    /// As measured in an earlier run; nil where nobody has.
    public var cost: RequestCost?
    public var answersAs = AnsweringUnit.asked
    public var monitor: LinkMonitor
    public var warnings: any WarningSink

    public init(
        name: String, endpoint: ModbusEndpoint, timeout: Int64, devices: [ModbusDevice] = [],
        sunSpec: [SunSpecDevice] = [], cost: RequestCost? = nil, monitor: LinkMonitor? = nil,
        warnings: any WarningSink = NoWarnings()
    ) {
        self.monitor = monitor ?? LinkMonitor(name: name, address: "\(endpoint)")
        self.warnings = warnings
        self.name = name
        self.endpoint = endpoint
        self.timeout = timeout
        self.devices = devices
        self.sunSpec = sunSpec
        self.cost = cost
    }
}

/// One unit on a link.
public struct ModbusDevice: Sendable {
    public struct Point: Sendable {
        public var name: String
        public var series: SeriesNumber
        public var source: RegisterSource
        public var lane: Lane

        public init(name: String, series: SeriesNumber, source: RegisterSource, lane: Lane) {
            self.name = name
            self.series = series
            self.source = source
            self.lane = lane
        }
    }

    public var id: String
    public var number: DeviceNumber
    public var unit: UInt8
    public var limits: ModbusLimits
    public var points: [Point]
    /// What it has shown in earlier runs.
    public var learned: Learned
    /// Of its map, where events are to say what they are made of; else nil.
    public var mapHash: String?

    public init(
        id: String, number: DeviceNumber, unit: UInt8, limits: ModbusLimits, points: [Point], learned: Learned,
        mapHash: String? = nil
    ) {
        self.id = id
        self.number = number
        self.unit = unit
        self.limits = limits
        self.points = points
        self.learned = learned
        self.mapHash = mapHash
    }
}
