// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What is read off at the moment of a scrape rather than counted on the way.
enum StatusGauges {
    static func exposition(of status: GatewayStatus) -> String {
        var text = gauge("headgate_outbox_bytes", [("", Double(status.outbox.bytes))])
        text += gauge("headgate_outbox_max_bytes", [("", Double(status.outbox.maxBytes))])
        text += gauge("headgate_outbox_healthy", [("", status.outbox.healthy ? 1 : 0)])
        if let bytes = status.outbox.writtenBytes, let perDay = status.outbox.writtenBytesPerDay {
            text += PrometheusText.head("headgate_disk_written_bytes_total", "counter")
            text += "headgate_disk_written_bytes_total \(bytes)\n"
            text += gauge("headgate_disk_written_bytes_per_day", [("", Double(perDay))])
        }
        text += gauge(
            "headgate_outbox_waiting_events",
            status.outputs.flatMap { output in
                output.lanes.map { lane in
                    (
                        PrometheusText.labels([("output", output.output), ("lane", lane.lane)]),
                        Double(lane.waitingEvents)
                    )
                }
            })
        text += gauge(
            "headgate_output_held_events",
            status.outputs.flatMap { output in
                output.lanes.flatMap { lane in
                    lane.heldTopics.map { held in
                        (
                            PrometheusText.labels([
                                ("output", output.output), ("lane", lane.lane), ("topic", held.topic),
                            ]), Double(held.events)
                        )
                    }
                }
            })
        text += gauge(
            "headgate_output_lag_seconds",
            status.outputs.map { output in
                (
                    PrometheusText.labels([("output", output.output)]),
                    output.lanes.compactMap(\.oldestAgeSeconds).max() ?? 0
                )
            })
        text += gauge(
            "headgate_output_up",
            status.outputs.map { (PrometheusText.labels([("output", $0.output)]), $0.up ? 1 : 0) })
        text += gauge(
            "headgate_link_up",
            status.links.compactMap { link in
                link.up.map { (PrometheusText.labels([("link", link.link)]), $0 ? 1 : 0) }
            })
        text += gauge(
            "headgate_device_online",
            status.devices.filter { ["online", "refusing", "offline"].contains($0.state) }.map {
                (PrometheusText.labels([("device", $0.device)]), $0.state == "offline" ? 0 : 1)
            })
        text += gauge(
            "headgate_device_refusing",
            status.devices.filter { $0.polls != nil }.map {
                (PrometheusText.labels([("device", $0.device)]), $0.state == "refusing" ? 1 : 0)
            })
        text += gauge(
            "headgate_points_never_read",
            status.devices.filter { $0.state != "computed" }.map {
                (PrometheusText.labels([("device", $0.device)]), Double($0.neverRead.count))
            })
        text += gauge(
            "headgate_alarms_active",
            ["high", "medium", "low"].map { priority in
                (
                    PrometheusText.labels([("priority", priority)]),
                    Double(status.alarms.count { $0.priority == priority })
                )
            })
        text += gauge(
            "headgate_warnings",
            Warning.Kind.allCases.map { kind in
                (
                    PrometheusText.labels([("warning", kind.rawValue)]),
                    Double(status.warnings.count { $0.warning == kind.rawValue })
                )
            })
        return text
    }

    private static func gauge(_ name: String, _ lines: [(labels: String, value: Double)]) -> String {
        guard !lines.isEmpty else { return "" }
        return PrometheusText.head(name, "gauge")
            + lines.map { "\(name)\(PrometheusText.braces($0.labels)) \($0.value)\n" }.joined()
    }
}
