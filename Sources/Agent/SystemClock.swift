// Headgate
// SPDX-License-Identifier: Apache-2.0

import CGlibc
import Events
import Metrics
import Synchronization

/// How far the system's clock is to be trusted, for events that have their time from it.
final class SystemClock: Sendable {
    private struct State {
        var judge = ClockJudge()
        var askedAt: Moment?
        var isSynchronised = true
    }

    private let jumps = Counter(label: "headgate_clock_jumps_total")
    private let gauge = Gauge(label: "headgate_clock_synchronised")
    private let mutex = Mutex(State())

    /// Looks at the clock, and asks the kernel of it once a second.
    func look() -> ClockState {
        let (before, wall, steady) = (Moment.now, Timestamp.now, Moment.now)
        // Nothing is told by two readings with a pause between.
        let isOneMoment = steady.nanoseconds(since: before) < 10_000_000
        return mutex.withLock { state in
            if state.askedAt.map({ steady.nanoseconds(since: $0) >= 1_000_000_000 }) ?? true {
                state.askedAt = steady
                state.isSynchronised = Self.isSynchronised
                gauge.record(state.isSynchronised ? 1 : 0)
            }
            let known = state.judge.jumps
            if isOneMoment { state.judge.look(wall: wall, steady: steady) }
            if state.judge.jumps > known { jumps.increment() }
            return state.judge.state(at: steady, isSynchronised: state.isSynchronised)
        }
    }

    /// How far the clock was set ahead since the start, as far as `look` has noticed it; less than 0 for back. In microseconds.
    var wasSetBy: Int64 { mutex.withLock { $0.judge.wasSetBy } }

    /// adjtimex(2): TIME_ERROR while nothing keeps the clock. It is the same in a container.
    private static var isSynchronised: Bool {
        var answer = timex()
        let state = adjtimex(&answer)
        // Where it may not be asked, nobody knows better.
        return state != TIME_ERROR
    }
}

/// Pure: clocks come in as arguments.
struct ClockJudge {
    /// A clock that is slewed moves by less between two looks: at most 500 parts in a million by the kernel alone, a
    /// hundred thousand by chrony after a start. Microseconds, beside a tenth of the time between the looks.
    private static let tolerance: Int64 = 500_000
    /// Who knows the old time from it needs to hear that it was set: for so long it is said of each event.
    private static let memory: Int64 = 60_000_000

    private var watch = ClockWatch()
    private var lookedAt: Moment?
    private var jumpedAt: Moment?
    private(set) var jumps = 0
    /// The sum of all jumps, in microseconds.
    private(set) var wasSetBy: Int64 = 0

    mutating func look(wall: Timestamp, steady: Moment) {
        let passed = lookedAt.map { Double(steady.microseconds(since: $0)) } ?? 0
        lookedAt = steady
        let jump = watch.jump(wall: wall, steady: steady)
        guard abs(Double(jump)) > Double(Self.tolerance) + passed / 10 else { return }
        jumpedAt = steady
        jumps += 1
        wasSetBy &+= jump
    }

    func state(at steady: Moment, isSynchronised: Bool) -> ClockState {
        if let jumpedAt, steady.microseconds(since: jumpedAt) < Self.memory { return .jumped }
        return isSynchronised ? .good : .unsynchronised
    }
}
