// Headgate
// SPDX-License-Identifier: Apache-2.0

import Inputs
import Outbox
import ServiceLifecycle
import Waiting

// The group stops its services one after the other, the last first: writes, admin, inputs, forwarders, outbox. So
// devices are let go first, what they said is sent if it can be sent soon, and the outbox closes when nobody needs it
// any more.

/// The outbox's commits.
struct OutboxService: Service {
    let outbox: Outbox

    func run() async throws {
        await cancelWhenGracefulShutdown { await outbox.run() }
    }
}

/// What is being written to devices: whoever waits for the outcome hears of it before anything else stops.
struct WritesService: Service {
    let desk: WriteDesk

    func run() async throws {
        try? await gracefulShutdown()
        desk.close()
    }
}

/// All inputs side by side.
struct InputsService: Service {
    /// A call into a C library cannot be interrupted; a link that waits for a device longer than this is left behind.
    private static let patience = Duration.milliseconds(1_200)
    let runs: [@Sendable () async -> Void]
    let collectors: [Collector]
    let alarms: Alarms

    func run() async throws {
        let tasks = runs.map { run in Task { await run() } }
        try? await gracefulShutdown()
        for task in tasks { task.cancel() }
        await finished(tasks, within: Self.patience)
        // Of a link that is left behind, too.
        for collector in collectors { collector.flush() }
        // Its disk may take its time.
        await finished([Task { alarms.close() }], within: Self.patience)
    }
}

/// All outputs side by side.
struct ForwardersService: Service {
    /// How long what is committed may go on being sent once the gateway stops.
    private static let patience = Duration.milliseconds(1_500)
    private static let patienceAfterCancelling = Duration.milliseconds(500)
    let outbox: Outbox
    let forwarders: [Forwarder]
    let watch: OutputWatch

    func run() async throws {
        let watching = Task { await watch.run() }
        defer { watching.cancel() }
        let tasks = forwarders.map { forwarder in Task { await forwarder.run() } }
        try? await gracefulShutdown()
        await outbox.flush()
        for forwarder in forwarders { forwarder.drain() }
        await finished(tasks, within: Self.patience)
        for task in tasks { task.cancel() }
        await finished(tasks, within: Self.patienceAfterCancelling)
    }
}

/// Waits until all tasks have returned, at most `limit`.
private func finished(_ tasks: [Task<Void, Never>], within limit: Duration) async {
    let bell = Doorbell()
    let watcher = Task {
        for task in tasks { await task.value }
        bell.ring()
    }
    await bell.wait(until: .now + limit)
    watcher.cancel()
}
