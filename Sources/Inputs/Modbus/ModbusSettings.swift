// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Modbus

/// A line or endpoint and the devices on it.
package struct ModbusLinkSettings: Sendable {
    package var name: String
    package var endpoint: ModbusEndpoint
    /// Longest wait for an answer, in microseconds.
    package var timeout: Int64
    package var devices: [ModbusDevice]

    package init(name: String, endpoint: ModbusEndpoint, timeout: Int64, devices: [ModbusDevice]) {
        self.name = name
        self.endpoint = endpoint
        self.timeout = timeout
        self.devices = devices
    }
}

/// One unit on a link.
package struct ModbusDevice: Sendable {
    package struct Point: Sendable {
        package var series: SeriesNumber
        package var source: RegisterSource

        package init(series: SeriesNumber, source: RegisterSource) {
            self.series = series
            self.source = source
        }
    }

    package var id: String
    package var number: DeviceNumber
    package var unit: UInt8
    package var limits: ModbusLimits
    package var points: [Point]

    package init(id: String, number: DeviceNumber, unit: UInt8, limits: ModbusLimits, points: [Point]) {
        self.id = id
        self.number = number
        self.unit = unit
        self.limits = limits
        self.points = points
    }
}
