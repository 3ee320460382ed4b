// Headgate
// SPDX-License-Identifier: Apache-2.0

import Metrics
import Modbus

/// What polling one device counts.
struct PollMeasures: Sendable {
    let polls: Counter
    /// Polls left out because the link was late.
    let missed: Counter
    /// Requests that the device refused as a whole, asked in parts from then on.
    let splits: Counter
    private let requests: Counter
    private let duration: Metrics.Timer
    private let delay: Metrics.Timer
    private let device: String
    private let monitor: LinkMonitor

    init(device: String, link: String, monitor: LinkMonitor) {
        self.device = device
        self.monitor = monitor
        polls = Counter(label: "headgate_modbus_polls_total", dimensions: [("device", device)])
        missed = Counter(label: "headgate_modbus_polls_missed_total", dimensions: [("device", device)])
        splits = Counter(label: "headgate_modbus_requests_split_total", dimensions: [("device", device)])
        requests = Counter(label: "headgate_modbus_requests_total", dimensions: [("device", device)])
        duration = Metrics.Timer(label: "headgate_modbus_request_duration_seconds", dimensions: [("link", link)])
        delay = Metrics.Timer(label: "headgate_modbus_poll_delay_seconds", dimensions: [("link", link)])
    }

    /// A poll is over.
    func polled(hasFailed: Bool, isOffline: Bool) {
        monitor.polled(device, hasFailed: hasFailed, isOffline: isOffline)
    }

    /// - Parameter late: nanoseconds from when a poll fell due to when it was begun: its jitter.
    func record(delay late: Int64) {
        delay.recordNanoseconds(late)
    }

    /// - Parameter time: nanoseconds.
    func record(_ error: ModbusError?, took time: Int64) {
        requests.increment()
        duration.recordNanoseconds(time)
        guard let error else { return }
        Counter(
            label: "headgate_modbus_errors_total", dimensions: [("device", device), ("cause", error.name)]
        ).increment()
    }
}
