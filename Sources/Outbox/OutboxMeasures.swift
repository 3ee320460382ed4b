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

    /// - Parameter outputs: all there are: what counts losses is there before the first, or a rate would miss it.
    init(outputs: [String]) {
        for output in outputs {
            for cause in Gap.Cause.allCases { lost(0, output: output, cause) }
        }
    }

    func lost(_ count: Int, output: String, _ cause: Gap.Cause) {
        Counter(
            label: "headgate_outbox_lost_events_total",
            dimensions: [("output", output), ("cause", "\(cause.name)")]
        ).increment(by: count)
    }
}
