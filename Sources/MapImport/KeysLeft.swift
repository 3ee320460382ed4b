// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Why keys of other gateways that are often there are left out.
enum KeysLeft {
    /// - Parameter path: from the file's own beginning.
    static func reason(_ name: String, at path: String) -> String {
        if path.hasPrefix("agent.") { return "it is about the running of Telegraf itself" }
        if name == "precision", path.hasPrefix("inputs.") { return "events have times to the microsecond" }
        return reasons[name] ?? "nothing here corresponds to it"
    }

    private static let reasons: [String: String] = [
        // Where values go.
        "measurement": "events are named after the device, its map and the point",
        "outputs": "the destinations are under `outputs` in headgate.yaml",
        "processors": "see `filters`, `windows` and `rules` in headgate.yaml",
        "aggregators": "see `windows` in headgate.yaml",
        "name_override": "events are named after the device, its map and the point",
        "name_prefix": "events are named after the device, its map and the point",
        "name_suffix": "events are named after the device, its map and the point",
        "deviceType": "write it as a tag of the device in headgate.yaml: tags: { type: … }",
        "sendDataOnlyOnChange": "see `filters` in headgate.yaml: deadband: 0",
        "reportStrategy": "see `filters` in headgate.yaml",
        // How a device is asked.
        "optimization": "the gateway plans its requests itself; headgate plan shows them",
        "optimization_max_register_fill": "the gateway plans its requests itself: limits: { gap: … } in the map",
        "one_request_per_field": "the gateway plans its requests itself: limits: { gap: 0 } in the map",
        "read_coils_starting_at_zero": "the gateway plans its requests itself",
        "busy_retries": "the gateway repeats the request with the next poll",
        "busy_retries_wait": "the gateway repeats the request with the next poll",
        "retries": "the gateway repeats the request with the next poll",
        "retryOnEmpty": "the gateway repeats the request with the next poll",
        "retryOnInvalid": "the gateway repeats the request with the next poll",
        "connectAttemptTimeMs": "the gateway connects again by itself, later and later",
        "connectAttemptCount": "the gateway connects again by itself, without end",
        "waitAfterFailedAttemptsMs": "the gateway connects again by itself, later and later",
        "max_retries": "the gateway repeats the request with the next poll",
        "retry_interval": "the gateway repeats the request with the next poll",
        "close_connection_after_gather": "the gateway keeps its connections open",
        "pause_after_connect":
            "the gateway learns the turnaround delay of a device; a map can set it: limits: { turnaround_delay: … }",
        "exclude_register_type_tag": "events have no such tag",
        "debug_connection": "see `log` in headgate.yaml: modbus: debug",
        "retriesOnEmpty": "the gateway repeats the request with the next poll",
        "retriesOnInvalid": "the gateway repeats the request with the next poll",
        "device_degrade": "the gateway polls an offline device less often automatically",
        "degrade_cycle": "the gateway polls an offline device less often automatically",
        "degrade_time": "the gateway polls an offline device less often automatically",
        "uplink_converter": "a custom converter may return other values than the registers: compare them",
        "downlink_converter": "write at the point which values may be written: writable: { range: [0, 1] }",
        "converter": "a custom converter may return other values than the registers: compare them",
        "bitTargetType": "a bit is a boolean here",
        "round": "see `deadband` in the map",
        "precision": "values are sent with all their digits",
        "rs485": "the adapter's driver switches the direction",
        "slave": "the gateway is no Modbus server",
        // Of devices and profiles.
        "labels": "write them as tags of the device in headgate.yaml",
        "description": "a map has one line of description: `title`",
        "apiVersion": "of the file's own layout",
        "defaultValue": "only values that were read are sent",
        "assertion": "see `rules` in headgate.yaml",
        "mediaType": "a map has no binary values",
        "isHidden": "write `allow` at an output in headgate.yaml",
    ]
}
