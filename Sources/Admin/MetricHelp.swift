// Headgate
// SPDX-License-Identifier: Apache-2.0

/// One line on what each metric counts, as it stands above it in `/metrics`.
enum MetricHelp {
    static let texts: [String: String] = [
        "headgate_readings_total": "Readings that came in from a device.",
        "headgate_readings_filtered_total": "Readings that were no news (deadband) and went no further.",
        "headgate_readings_shed_total": "Readings let go because they came faster than they could be stored.",
        "headgate_modbus_polls_total": "Polls of a device.",
        "headgate_modbus_requests_split_total": "Requests refused as a whole and asked in parts from then on.",
        "headgate_modbus_polls_missed_total": "Polls left out because their link was late.",
        "headgate_modbus_requests_total": "Modbus requests sent.",
        "headgate_modbus_errors_total": "Modbus requests that brought no data, by cause.",
        "headgate_modbus_request_duration_seconds": "Time from a Modbus request to its answer or failure.",
        "headgate_mqtt_messages_total": "Messages received.",
        "headgate_mqtt_disconnects_total": "Times a connection to a broker ended or did not come about.",
        "headgate_mqtt_refused_messages_total": "Messages that gave no reading, by cause.",
        "headgate_mqtt_refused_subscriptions_total": "Subscriptions a broker did not allow.",
        "headgate_outbox_commits_total": "Commits.",
        "headgate_outbox_commit_failures_total": "Commits that failed and were tried again.",
        "headgate_outbox_commit_duration_seconds": "Time a commit took, fsync included.",
        "headgate_outbox_committed_events_total": "Events committed.",
        "headgate_outbox_committed_readings_total": "Readings committed.",
        "headgate_outbox_lost_events_total": "Events an output lost, by cause; each loss is announced by a gap event.",
        "headgate_output_acknowledged_events_total": "Events acknowledged by an output's broker.",
        "headgate_output_acknowledged_readings_total": "Readings acknowledged by an output's broker.",
        "headgate_output_dead_letters_total": "Events an output's broker will never take.",
        "headgate_output_retries_total": "Times a window was sent again.",
        "headgate_output_send_duration_seconds": "Time from handing a window to an output to its acknowledgement.",
        "headgate_outbox_bytes": "Size of the outbox's database.",
        "headgate_outbox_sound": "1 while what comes in is stored on the disk; 0 while something is wrong with it.",
        "headgate_outbox_max_bytes": "Size beyond which the oldest events go.",
        "headgate_outbox_waiting_events": "Events an output has not settled.",
        "headgate_output_lag_seconds": "Age of the oldest event an output has not settled; 0 where none waits.",
        "headgate_output_up": "1 while an output's last try succeeded.",
        "headgate_device_online": "1 while a device answers, 0 while it is offline.",
        "process_resident_memory_bytes": "Resident memory size in bytes.",
        "process_cpu_seconds_total": "User and system CPU time in seconds.",
        "process_open_fds": "Open file descriptors.",
        "process_start_time_seconds": "Start of the process since the epoch in seconds.",
    ]
}
