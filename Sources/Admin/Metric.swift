// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A metric of `/metrics`: its name, its labels and the line that stands above it.
public struct Metric: Sendable {
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    public let name: String
    public let labels: [String]
    public let help: String

    /// As its name says (prometheus.io, "Metric and label naming").
    public var kind: Kind {
        if name.hasSuffix("_total") { return .counter }
        return name.hasSuffix("_duration_seconds") || name.hasSuffix("_delay_seconds") ? .histogram : .gauge
    }

    private init(_ name: String, labels: [String] = [], _ help: String) {
        self.name = name
        self.labels = labels
        self.help = help
    }

    static func named(_ name: String) -> Metric? { byName[name] }

    private static let byName = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { one, _ in one })

    /// In the order of their names.
    public static let all: [Metric] = [
        Metric(
            "headgate_admin_connections_closed_total",
            "Connections to the admin address that were closed because too many were open."),
        Metric(
            "headgate_alarms_active", labels: ["priority"],
            "Active alarms, by priority."),
        Metric(
            "headgate_alarms_total", labels: ["rule", "phase"],
            "Alarm events, by rule and phase."),
        Metric(
            "headgate_clock_jumps_total",
            "Times the clock of the system was set, forward or back."),
        Metric(
            "headgate_clock_synchronised",
            "1 while the clock of the system is synchronised with a time source."),
        Metric(
            "headgate_device_online", labels: ["device"],
            "1 while a device is online, 0 while it is offline."),
        Metric(
            "headgate_device_refusing", labels: ["device"],
            "1 while a device responds but rejects every request."),
        Metric(
            "headgate_dial_in_connections_total", labels: ["link", "outcome"],
            "Connections to a `listen` port, by outcome."),
        Metric(
            "headgate_disk_written_bytes_per_day",
            "Bytes written to disks in a day, at the rate of the last hour."),
        Metric(
            "headgate_disk_written_bytes_total",
            "Bytes that this process has written to disks, in whole pages."),
        Metric(
            "headgate_link_up", labels: ["link"],
            "1 while a link is up, 0 while it is down."),
        Metric(
            "headgate_modbus_errors_total", labels: ["device", "cause"],
            "Modbus requests without data, by cause."),
        Metric(
            "headgate_modbus_poll_delay_seconds", labels: ["link"],
            "Time from the due time of a poll to its start."),
        Metric(
            "headgate_modbus_polls_missed_total", labels: ["device"],
            "Polls that were skipped because their link was late."),
        Metric(
            "headgate_modbus_polls_total", labels: ["device"],
            "Polls of a device."),
        Metric(
            "headgate_modbus_request_duration_seconds", labels: ["link"],
            "Time from a Modbus request to its response or failure."),
        Metric(
            "headgate_modbus_requests_split_total", labels: ["device"],
            "Requests that a device rejected and that are sent in parts since then."),
        Metric(
            "headgate_modbus_requests_total", labels: ["device"],
            "Modbus requests sent."),
        Metric(
            "headgate_mqtt_disconnects_total", labels: ["link"],
            "Times a connection to a broker ended or could not be opened."),
        Metric(
            "headgate_mqtt_messages_total", labels: ["link"],
            "Messages received."),
        Metric(
            "headgate_mqtt_refused_messages_total", labels: ["link", "cause"],
            "Messages that gave no reading, by cause."),
        Metric(
            "headgate_mqtt_refused_subscriptions_total", labels: ["link"],
            "Subscriptions that a broker rejected."),
        Metric(
            "headgate_mqtt_refused_times_total", labels: ["link"],
            "Messages with an unreadable or impossible time."),
        Metric(
            "headgate_outbox_bytes",
            "Size of the database of the outbox."),
        Metric(
            "headgate_outbox_commit_duration_seconds",
            "Duration of a commit, including fsync."),
        Metric(
            "headgate_outbox_commit_failures_total",
            "Commits that failed and were retried."),
        Metric(
            "headgate_outbox_commits_total",
            "Commits."),
        Metric(
            "headgate_outbox_committed_events_total",
            "Events committed."),
        Metric(
            "headgate_outbox_committed_readings_total",
            "Readings committed."),
        Metric(
            "headgate_outbox_healthy",
            "1 while the outbox writes to the disk, 0 while it cannot."),
        Metric(
            "headgate_outbox_lost_events_total", labels: ["output", "cause"],
            "Events that an output lost, by cause. A gap event announces each loss."),
        Metric(
            "headgate_outbox_max_bytes",
            "Size above which the oldest events are dropped."),
        Metric(
            "headgate_outbox_waiting_events", labels: ["output", "lane"],
            "Events that an output has not yet delivered."),
        Metric(
            "headgate_output_acknowledged_events_total", labels: ["output"],
            "Events that the broker of an output acknowledged."),
        Metric(
            "headgate_output_acknowledged_readings_total", labels: ["output"],
            "Readings that the broker of an output acknowledged."),
        Metric(
            "headgate_output_dead_letters_total", labels: ["output"],
            "Events that the broker of an output rejected for ever."),
        Metric(
            "headgate_output_held_events", labels: ["output", "lane", "topic"],
            "Events that wait for a topic that the broker rejects."),
        Metric(
            "headgate_output_lag_seconds", labels: ["output"],
            "Age of the oldest event that an output has not yet delivered; 0 if it has delivered all events."),
        Metric(
            "headgate_output_retries_total", labels: ["output"],
            "Times a batch was sent again."),
        Metric(
            "headgate_output_send_duration_seconds", labels: ["output"],
            "Time from sending a batch to its acknowledgement."),
        Metric(
            "headgate_output_up", labels: ["output"],
            "1 while the last attempt of an output succeeded."),
        Metric(
            "headgate_points_never_read", labels: ["device"],
            "Points of a device without a reading since the start."),
        Metric(
            "headgate_readings_dropped_total",
            "Readings dropped because they arrived faster than they could be stored."),
        Metric(
            "headgate_readings_filtered_total", labels: ["filter"],
            "Readings dropped by a filter of their point, by filter."),
        Metric(
            "headgate_readings_total", labels: ["device"],
            "Readings received from a device."),
        Metric(
            "headgate_sparkplug_lost_messages_total", labels: ["link"],
            "Messages of edge nodes that never arrived, by their sequence numbers."),
        Metric(
            "headgate_sparkplug_rebirths_total", labels: ["link"],
            "Births requested from edge nodes."),
        Metric(
            "headgate_sparkplug_unread_metrics", labels: ["link"],
            "Metrics in the last births of edge nodes that the gateway does not read."),
        Metric(
            "headgate_warnings", labels: ["warning"],
            "Active warnings, by kind. `headgate status` shows their texts."),
        Metric(
            "headgate_writes_total", labels: ["phase"],
            "Writes of a point, by phase. An accepted write has a second phase at its end."),
        Metric(
            "process_cpu_seconds_total",
            "User and system CPU time in seconds."),
        Metric(
            "process_open_fds",
            "Open file descriptors."),
        Metric(
            "process_resident_memory_bytes",
            "Resident memory size in bytes."),
        Metric(
            "process_start_time_seconds",
            "Start time of the process since the epoch in seconds."),
    ]
}
