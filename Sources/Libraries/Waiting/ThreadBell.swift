// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What `Doorbell` is to a task, for a thread that may block: it sleeps until somebody rings, or for a time.
///
/// A ring that nobody waits for is kept for the next who does; several are one.
// Unchecked: the flag is read and written under the mutex only, and the pointers never change.
public final class ThreadBell: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isRung = false

    public init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // The system's clock may be set while somebody waits.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    public func ring() {
        pthread_mutex_lock(mutex)
        isRung = true
        pthread_mutex_unlock(mutex)
        // Whoever wakes up finds the mutex free.
        pthread_cond_signal(condition)
    }

    /// Only one thread at a time may wait.
    /// - Parameter nanoseconds: the longest wait; nil for ever.
    public func wait(nanoseconds: Int64? = nil) {
        let end = nanoseconds.map(Self.moment)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isRung {
            guard var end else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            if pthread_cond_timedwait(condition, mutex, &end) == ETIMEDOUT { break }
        }
        isRung = false
    }

    private static func moment(in nanoseconds: Int64) -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let left = max(0, nanoseconds)
        let small = time.tv_nsec + Int(left % 1_000_000_000)
        time.tv_sec += Int(left / 1_000_000_000) + small / 1_000_000_000
        time.tv_nsec = small % 1_000_000_000
        return time
    }
}
