// Headgate
// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// The executor of every actor that owns a blocking C library: one serial queue each, so that a call that waits for a
/// device delays that device alone.
///
/// Two default actors blocked in C stop every other task on two cores for as long as they block; queue-backed ones
/// stop nothing. A hop costs about 12 µs, so cross it once a batch.
public final class BlockingExecutor: SerialExecutor {
    private let queue: DispatchQueue

    public init(label: String) {
        queue = DispatchQueue(label: label)
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    public func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(queue))
    }
}
