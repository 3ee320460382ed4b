// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Outbox
import Synchronization

/// Tells of each commit: the totals, and those who listen live. Made before the outbox, which calls it.
final class Publisher: Sendable {
    private let live: LiveEvents
    private let totals: Totals
    private let gateway: String
    private let catalog = Mutex<Catalog?>(nil)

    init(live: LiveEvents, totals: Totals, gateway: String) {
        self.live = live
        self.totals = totals
        self.gateway = gateway
    }

    func attach(_ outbox: Outbox) {
        catalog.withLock { $0 = outbox.catalog }
    }

    func publish(_ commit: Outbox.Committed) {
        totals.committed(commit)
        guard let catalog = catalog.withLock({ $0 }) else { return }
        live.publish(commit, gateway: gateway, catalog: catalog)
    }
}
