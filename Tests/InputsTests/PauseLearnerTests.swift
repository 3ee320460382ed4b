// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Testing

@testable import Inputs

@Suite("Pauses that a unit wants")
struct PauseLearnerTests {
    private let requests = [0, 40, 80].map { ReadRequest(table: .holding, address: $0, count: 10, points: []) }

    /// Polls a unit: `misses` says of each request whether it is missed after so many microseconds of silence.
    private func poll(_ learner: inout PauseLearner, rounds: Int, misses: (ReadRequest, Int64) -> Bool) -> Int {
        var missed = 0
        for _ in 0..<rounds {
            for (place, request) in requests.enumerated() {
                // Nobody has said anything since the last round.
                let gap = place == 0 ? 1_000_000 : max(2_000, learner.pause(before: request))
                let isMissed = misses(request, gap)
                learner.note(request, missed: isMissed, gap: gap)
                missed += isMissed ? 1 : 0
                if isMissed { break }
            }
        }
        return missed
    }

    @Test("the shortest pause is found after which requests are answered", arguments: [3_000, 15_000, 45_000, 150_000])
    func found(wanted: Int64) {
        var learner = PauseLearner(least: 0)
        _ = poll(&learner, rounds: 300) { $1 < wanted }
        #expect(learner.learned == [5_000, 20_000, 50_000, 200_000].first { $0 >= wanted })
        #expect(poll(&learner, rounds: 100) { $1 < wanted } == 0)
    }

    @Test("a unit that answers is not slowed down")
    func none() {
        var learner = PauseLearner(least: 0)
        _ = poll(&learner, rounds: 300) { _, _ in false }
        #expect(learner.pause == 0)
        #expect(learner.learned == nil)
    }

    @Test("misses that no pause prevents leave none", arguments: [2, 3, 5])
    func hopeless(every: Int) {
        var learner = PauseLearner(least: 0)
        var count = 0
        _ = poll(&learner, rounds: 2_000) { _, _ in
            count += 1
            return count % every == 0
        }
        #expect(learner.pause == 0)
        #expect(learner.learned == nil)
    }

    @Test("a request that is never answered is no sign of haste")
    func hung() {
        var learner = PauseLearner(least: 0)
        _ = poll(&learner, rounds: 500) { request, _ in request == requests[2] }
        #expect(learner.pause == 0)
    }

    @Test("what the map says is the least, and what was learnt counts at once")
    func known() {
        #expect(PauseLearner(least: 30_000).pause == 30_000)
        #expect(PauseLearner(least: 30_000).learned == nil)
        #expect(PauseLearner(least: 0, learned: 50_000).pause == 50_000)
        #expect(PauseLearner(least: 0, learned: 50_000).learned == 50_000)
        #expect(PauseLearner(least: 0, learned: .max).pause == 200_000)
    }
}
