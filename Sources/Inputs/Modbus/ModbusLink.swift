// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Logging
import Modbus
import Waiting

/// Polls the devices of one line or endpoint.
///
///     schedule ─▶ requests ─▶ libmodbus ─▶ registers ─▶ decode ─▶ batch ─▶ collector
///
/// Serialises everything on the link: a bus carries one request at a time, so units on it share this actor. It runs on
/// a queue of its own and blocks there; a dead link delays no other.
public actor ModbusLink {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let settings: ModbusLinkSettings
    private let collector: any Collecting
    private let logger: Logger
    private var connection: ModbusConnection
    private var pollers: [DevicePoller]
    /// When each poller is due, beside them so that looking for the next copies none.
    private var due: [ContinuousClock.Instant]

    public init(_ settings: ModbusLinkSettings, collector: any Collecting, logger: Logger) {
        executor = BlockingExecutor(label: "headgate.modbus.\(settings.name)")
        var logger = logger
        logger[metadataKey: "link"] = "\(settings.name)"
        self.settings = settings
        self.collector = collector
        self.logger = logger
        connection = ModbusConnection(settings, logger: logger)
        let now = ContinuousClock.now
        pollers = settings.devices.map { DevicePoller($0, link: settings.name, start: now) }
        due = pollers.map(\.nextDue)
    }

    /// Polls until the task is cancelled.
    public func run() async {
        var batch = Batch()
        while !Task.isCancelled {
            guard let next = due.indices.min(by: { due[$0] < due[$1] }) else { return }
            if due[next] > .now {
                try? await Task.sleep(until: due[next], tolerance: .milliseconds(1))
                continue
            }
            let change = pollers[next].poll(over: &connection, into: &batch)
            due[next] = pollers[next].nextDue
            if let change { log(change, of: pollers[next].device) }
            collector.take(&batch)
        }
        connection.close()
    }

    private func log(_ change: StatusChange, of device: ModbusDevice) {
        switch change.state {
        case .online: logger.notice("device online", metadata: ["device": "\(device.id)"])
        case .offline:
            logger.warning("device offline", metadata: ["device": "\(device.id)", "reason": "\(change.reason.name)"])
        }
    }
}
