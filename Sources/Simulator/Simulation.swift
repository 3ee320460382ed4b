// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging

/// A plant that answers and publishes.
public struct Simulation: Sendable {
    private let servers: [ModbusServer]
    private let publishers: [MQTTPublisher]
    public let summary: String

    /// Opens every address and terminal, or says which cannot be.
    /// - Parameter interval: between two messages on an MQTT topic.
    public init(_ plant: Plant, interval: Duration) throws(SimulatorError) {
        signal(SIGPIPE, SIG_IGN)
        var servers: [ModbusServer] = []
        for line in plant.lines where !line.devices.isEmpty { servers.append(try ModbusServer(line)) }
        self.servers = servers
        let logger = Logger(label: "headgate.simulator")
        publishers = plant.brokers.map { MQTTPublisher($0, interval: interval, logger: logger) }
        let modbus = plant.lines.reduce(0) { $0 + $1.devices.count }
        let mqtt = plant.brokers.reduce(0) { $0 + $1.devices.count }
        summary = "\(modbus) Modbus devices on \(servers.count) links, \(mqtt) MQTT devices"
    }

    /// Runs until the task is cancelled.
    public func run() async {
        await withTaskGroup { group in
            for server in servers { group.addTask { await server.run() } }
            for publisher in publishers { group.addTask { await publisher.run() } }
        }
    }
}
