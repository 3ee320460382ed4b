// Headgate
// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// Runs what may block on a thread of the system's pool, which has 255 of them for all.
func runInPool(_ body: @escaping @Sendable () -> Void) {
    DispatchQueue(label: "headgate.pool").async(execute: body)
}
