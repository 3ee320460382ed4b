// Headgate
// SPDX-License-Identifier: Apache-2.0

import MQTT
import Testing

@testable import Outputs

@Suite("Brokers of one MQTT output")
struct BrokerWalkTests {
    private let start = ContinuousClock.now
    private var walk = BrokerWalk(["a", "b"].map { MQTTSettings(host: $0, port: 1, clientID: "c", version: .v5) })

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .microseconds(Int64(seconds * 1e6)) }

    @Test("the walk goes round in the order of the configuration")
    mutating func goesRound() {
        let first = walk.current.address
        walk.goOn()
        let second = walk.current.address
        walk.goOn()
        #expect((first, second, walk.current.address) == ("a:1", "b:1", "a:1"))
    }

    @Test("a broker that cannot be used is logged once, until it has been used")
    mutating func logsOnce() {
        let logged = (0..<3).map { attempt -> Bool in
            // It accepts each connection, and cannot be used for another reason.
            _ = walk.connected(at: at(Double(attempt)))
            walk.ended(at: at(Double(attempt)), "the primary host is not online")
            return walk.failed()
        }
        #expect(logged == [true, false, false])
        walk.isUsed()
        let isLoggedAgain = walk.failed()
        #expect(isLoggedAgain)
    }

    @Test("a single broker is not logged: it is the output's own trouble")
    func logsNoSingleOne() {
        var single = BrokerWalk([MQTTSettings(host: "a", port: 1, clientID: "c", version: .v5)])
        let isLogged = single.failed()
        #expect(!isLogged)
    }

    @Test("a connection that ends soon makes a pause of at most 5 s, with the reason; the other broker has none")
    mutating func pauses() {
        _ = walk.connected(at: at(0))
        walk.ended(at: at(1), nil)
        #expect(walk.pause(at: at(1))?.contains("closed 1 connections") ?? true)
        _ = walk.connected(at: at(2))
        walk.ended(at: at(2), "not authorised")
        #expect([nil, "not authorised"].contains(walk.pause(at: at(2))))
        #expect(walk.pause(at: at(7.001)) == nil)
        walk.goOn()
        #expect(walk.pause(at: at(2)) == nil)
    }

    @Test("a long connection makes no pause")
    mutating func makesNoPause() {
        _ = walk.connected(at: at(0))
        walk.ended(at: at(60), nil)
        #expect(walk.pause(at: at(60)) == nil)
    }
}
