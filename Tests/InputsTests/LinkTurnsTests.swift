// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Inputs

/// Links that are simulated: a request takes what it takes, and time goes on with it.
@Suite("Turns on a link")
struct LinkTurnsTests {
    private struct Unit {
        var every: Int
        var takes: Int
        var isCritical = false
        var isSilent = false
        /// Filled in by a run.
        var served = 0
        var latest = 0
    }

    private let start = Moment.now

    /// Milliseconds from the start on.
    private func moment(_ milliseconds: Int) -> Moment { start + .milliseconds(milliseconds) }

    private func run(_ units: [Unit], for milliseconds: Int) -> [Unit] {
        var units = units
        var due = units.map { _ in 0 }
        func wish(_ unit: Int) -> LinkTurns.Wish {
            LinkTurns.Wish(
                due: moment(due[unit]), deadline: moment(due[unit] + units[unit].every),
                isCritical: units[unit].isCritical, isSilent: units[unit].isSilent)
        }
        var turns = LinkTurns(units.indices.map(wish), now: start)
        var now = 0
        while now < milliseconds {
            guard let unit = turns.next(at: moment(now)) else {
                now = due.min() ?? milliseconds
                continue
            }
            units[unit].latest = max(units[unit].latest, now - due[unit])
            now += units[unit].takes
            units[unit].served += 1
            due[unit] += units[unit].every
            // What was missed is left out.
            while due[unit] + units[unit].every <= now { due[unit] += units[unit].every }
            turns.had(unit, since: moment(now - units[unit].takes), wants: wish(unit), now: moment(now))
        }
        return units
    }

    @Test("a link that is busy to nine tenths keeps every deadline")
    func deadlines() {
        let units = run(
            [
                Unit(every: 100, takes: 30), Unit(every: 200, takes: 60), Unit(every: 400, takes: 60),
                Unit(every: 1_000, takes: 60), Unit(every: 1_000, takes: 60),
            ], for: 60_000)
        for unit in units {
            #expect(unit.latest + unit.takes <= unit.every)
            #expect(unit.served >= 60_000 / unit.every)
        }
    }

    @Test("on a link that is asked for too much everyone gets a share, and who asks for little gets all of it")
    func overload() {
        let hog = Unit(every: 1, takes: 20)
        let modest = (0..<9).map { _ in Unit(every: 1_000, takes: 20) }
        let units = run([hog] + modest, for: 60_000)
        for unit in units.dropFirst() {
            #expect(unit.served >= 55)
            #expect(unit.latest <= 1_500)
        }
    }

    @Test("a unit that does not answer costs the others at most what it takes to ask it once")
    func silent() {
        let units = run(
            [Unit(every: 100, takes: 300, isSilent: true)] + (0..<9).map { _ in Unit(every: 1_000, takes: 20) },
            for: 60_000)
        for unit in units.dropFirst() {
            #expect(unit.latest <= 300 + 9 * 20)
            #expect(unit.served >= 59)
        }
    }

    @Test("critical points go before others, and leave them half of the link")
    func critical() {
        let units = run(
            [Unit(every: 100, takes: 10, isCritical: true)] + (0..<4).map { _ in Unit(every: 1, takes: 40) },
            for: 20_000)
        #expect(units[0].latest <= 40)
        let greedy = run([Unit(every: 1, takes: 20, isCritical: true), Unit(every: 1_000, takes: 20)], for: 20_000)
        #expect(greedy[1].served >= 15)
    }
}
