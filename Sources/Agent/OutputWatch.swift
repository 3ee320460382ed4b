// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Warns of outputs that are down, whether they have something to send or not.
struct OutputWatch {
    private static let interval = Duration.seconds(2)

    let forwarders: [Forwarder]
    let warnings: any WarningSink

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            for forwarder in forwarders { look(at: forwarder) }
        }
    }

    private func look(at forwarder: Forwarder) {
        let status = forwarder.status
        guard !status.isUp else { return warnings.clear(.outputDown, of: forwarder.name) }
        warnings.warn(
            .outputDown, of: forwarder.name, count: 0,
            "the output cannot send, and its events wait in the outbox: \(status.lastError ?? "the cause is unknown")",
            next:
                "check its address, login, permissions and certificate, and whether the broker (or the primary host) runs"
        )
    }
}
