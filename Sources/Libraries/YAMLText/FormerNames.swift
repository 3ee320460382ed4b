// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The names that keys had in earlier versions. A file that has one of them gets a mistake with the new name.
enum FormerNames {
    static let byKey = [
        "device_ids": "names", "expect": "gives", "functions": "give", "max_delay": "wait",
        "max_interval": "at_least", "min_interval": "at_most", "offline_after": "silent_after",
        "output_unit": "report", "privacy": "minimise", "pseudonymise": "token", "response_unit_id": "answers_as",
        "swinging_door": "swing", "turnaround_delay": "pause", "unit_id": "unit",
    ]
}
