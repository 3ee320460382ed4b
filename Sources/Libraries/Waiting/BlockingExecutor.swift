// Headgate
// SPDX-License-Identifier: Apache-2.0

import CGlibc
import Glibc
import Synchronization

/// The executor of every actor that owns a blocking C library: a thread of its own, so that a call that waits for a
/// device delays that device alone, and the actor may sleep on it.
///
/// Two default actors blocked in C stop every other task on two cores for as long as they block. Queues of Dispatch stop
/// nothing until 255 of them are blocked, and then everything. A hop costs about 10 µs, so cross it once a batch.
public final class BlockingExecutor: SerialExecutor {
    private let worker: Worker

    /// - Parameter label: of the thread; the system shows 15 bytes of it.
    public init(label: String) {
        worker = Worker(label: label)
    }

    deinit {
        worker.end()
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        worker.add(UnownedJob(job), asUnownedSerialExecutor())
    }

    public func checkIsolated() {
        precondition(worker.isCurrent, "called from another thread than its own")
    }
}

/// The thread and what it has to do; apart from the executor, which may end while its thread does.
private final class Worker: Sendable {
    private struct State {
        var jobs: [(job: UnownedJob, executor: UnownedSerialExecutor)] = []
        var isStarted = false
        var thread: pthread_t?
        var isEnded = false
    }

    /// Enough for whatever runs here, and little enough for hundreds of links.
    private static let stackBytes = 1 << 20

    private let label: String
    private let state = Mutex(State())
    private let bell = ThreadBell()

    init(label: String) {
        self.label = label
    }

    var isCurrent: Bool { state.withLock { $0.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false } }

    func add(_ job: UnownedJob, _ executor: UnownedSerialExecutor) {
        let (isFirst, isStarted) = state.withLock { state in
            state.jobs.append((job, executor))
            defer { state.isStarted = true }
            return (state.jobs.count == 1, state.isStarted)
        }
        if !isStarted { start() }
        if isFirst { bell.ring() }
    }

    func end() {
        state.withLock { $0.isEnded = true }
        bell.ring()
    }

    private func start() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        var thread = pthread_t()
        let worker = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, &attributes,
            { worker in
                worker.map { Unmanaged<Worker>.fromOpaque($0).takeRetainedValue().work() }
                return nil
            }, worker.toOpaque())
        guard code != 0 else { return }
        // The system gives no more threads: one of a pool will do, when it has one.
        worker.release()
        runInPool { self.work() }
    }

    private func work() {
        state.withLock { $0.thread = pthread_self() }
        name_thread(label)
        while true {
            let (jobs, isEnded) = state.withLock { state in
                defer { state.jobs.removeAll() }
                return (state.jobs, state.isEnded)
            }
            for (job, executor) in jobs { job.runSynchronously(on: executor) }
            if jobs.isEmpty {
                if isEnded { return }
                bell.wait()
            }
        }
    }
}
