// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Metrics

/// What the outbox counts.
struct OutboxMeasures: Sendable {
    let commits = Counter(label: "headgate_outbox_commits_total")
    let commitFailures = Counter(label: "headgate_outbox_commit_failures_total")
    let commitDuration = Metrics.Timer(label: "headgate_outbox_commit_duration_seconds")
    let events = Counter(label: "headgate_outbox_committed_events_total")
    let readings = Counter(label: "headgate_outbox_committed_readings_total")

    func lost(_ loss: Loss) {
        Counter(
            label: "headgate_outbox_lost_events_total",
            dimensions: [("output", loss.output), ("cause", "\(loss.cause.name)")]
        ).increment(by: loss.count)
    }
}
