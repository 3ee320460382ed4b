// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing
import Waiting

@Suite("Short connections")
struct ShortConnectionsTests {
    @Test("of connections that end within seconds the first three are logged, and the first after one that lasted")
    func logs() {
        var connections = ShortConnections()
        var now = ContinuousClock.now
        let ends1 = connections.ends(at: now)
        #expect(ends1 == nil)
        let begins2 = connections.begins(at: now)
        #expect(begins2)
        for count in 1...5 {
            now += .seconds(1)
            let ends3 = connections.ends(at: now)
            #expect(ends3 == true)
            let ends4 = connections.ends(at: now)
            #expect(ends4 == nil)
            #expect(connections.count == count)
            let isLogged = connections.begins(at: now)
            #expect(isLogged == (count < 3))
        }
        now += .seconds(5)
        let ends6 = connections.ends(at: now)
        #expect(ends6 == false)
        let begins7 = connections.begins(at: now)
        #expect(begins7)
    }
}
