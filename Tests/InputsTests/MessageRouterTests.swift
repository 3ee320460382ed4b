// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Synchronization
import Testing
import YAMLText

@testable import Inputs
@testable import MQTT

@Suite("Message router")
struct MessageRouterTests {
    private final class Known: Collecting {
        let points = Mutex<[SeriesNumber: String]>([:])

        func add(_ series: SeriesNumber, _ point: Point) { points.withLock { $0[series] = point.name } }
        func add(_ series: SeriesNumber, _ point: Point, _ derived: Derived, of inputs: [SeriesNumber]) {}

        func take(_ batch: inout Batch) {}
        func takeDurably(_ batch: Batch) async -> Bool { true }
    }

    private let catalog = Catalog()
    private let known = Known()
    private let arrival = MessageRouter.Arrival(time: Timestamp(microseconds: 1_795_251_600_000_000))

    private func router(_ topic: String, _ mqtt: String, _ points: String) throws -> MessageRouter {
        let text = """
            map: test
            version: 1
            title: t
            source: s
            mqtt: \(mqtt)
            points: \(points)
            examples: [{ payload: "0", gives: {} }]
            """
        let problems = Problems()
        let map = DeviceMapFile.read(text, name: "test", file: "test.yaml", problems: problems)
        #expect(problems.sorted.map(\.description) == [])
        let found = try #require(map)
        guard case .mqtt(let form) = found.form else { throw MalformedBytes(expected: "a map of messages") }
        let device = MQTTDevice(name: "dev", topic: topic, map: found, form: form, tags: [])
        return MessageRouter([device], catalog: catalog, collector: known)
    }

    private func route(
        _ router: inout MessageRouter, _ topic: String, _ payload: String
    ) throws -> (device: String?, readings: [String: Value], time: Timestamp?) {
        var batch = Batch()
        try router.route(
            MQTTMessage(topic: topic, payload: Array(payload.utf8), retained: false), arrival: arrival, into: &batch)
        let names = known.points.withLock { $0 }
        let readings = Dictionary(
            batch.readings.map { (names[$0.series] ?? "?", $0.value) }, uniquingKeysWith: { $1 })
        let event = batch.events.first { $0.kind == .telemetry }
        return (event.flatMap { catalog.contents[$0.device]?.id }, readings, event?.time)
    }

    @Test("a message goes to the points of its topic")
    func topics() throws {
        var router = try router(
            "plug", "{ topic: SENSOR }", "{ p: { path: P }, rain: { topic: RAIN, payload: number } }")
        #expect(Set(router.filters) == ["plug/SENSOR", "plug/RAIN"])
        #expect(try route(&router, "plug/SENSOR", #"{"P":5}"#).readings == ["p": .integer(5)])
        #expect(try route(&router, "plug/RAIN", "1.5").readings == ["rain": .number(1.5)])
        #expect(throws: MessageRouter.Refusal.unmatched) { try route(&router, "plug/OTHER", "1") }
    }

    @Test("with a wildcard, the level that the map names says whose the message is")
    func levels() throws {
        var router = try router("zigbee/+", "{ id: { level: 2 } }", "{ t: { path: t } }")
        #expect(try route(&router, "zigbee/kitchen", #"{"t":20}"#).device == "dev.kitchen")
        #expect(throws: MessageRouter.Refusal.unmatched) { try route(&router, "zigbee/a/b", #"{"t":20}"#) }
    }

    @Test("an id from the payload, made fit to be a name")
    func idFromPayload() throws {
        var router = try router("in/+", "{ id: { path: dev.mac } }", "{ t: { path: t } }")
        #expect(try route(&router, "in/x", #"{"dev":{"mac":"AA-BB"},"t":1}"#).device == "dev.AA-BB")
        let odd = try ["AA:BB/1", "AA:BB:1"].map { mac in
            try #require(try route(&router, "in/x", #"{"dev":{"mac":"\#(mac)"},"t":1}"#).device)
        }
        // Made fit to be a name, and still two devices.
        #expect(odd[0] != odd[1])
        #expect(odd.allSatisfy { $0.hasPrefix("dev.AA-BB-1-") })
        #expect(throws: MessageRouter.Refusal.noID(device: "dev")) { try route(&router, "in/x", #"{"t":1}"#) }
    }

    @Test("a message's own time, where it has one that makes sense")
    func ownTime() throws {
        var unix = try router("a", "{ time: { path: ts, format: unix } }", "{ t: { path: t } }")
        #expect(
            try route(&unix, "a", #"{"ts":1795251000.5,"t":1}"#).time == Timestamp(microseconds: 1_795_251_000_500_000))
        for nonsense in ["0", "-5", "\"x\"", "null", "1e300"] {
            #expect(try route(&unix, "a", "{\"ts\":\(nonsense),\"t\":1}").time == arrival.time)
        }
        var iso = try router("b", "{ time: { path: ts, format: iso8601 } }", "{ t: { path: t } }")
        #expect(try route(&iso, "b", #"{"ts":"2026-11-21T09:00:00+00:00","t":1}"#).time == arrival.time)
    }

    @Test("a retained message without a time of its own is of unknown age, and proves no device")
    func retained() throws {
        var router = try router("a", "{ time: { path: ts, format: unix } }", "{ t: { path: t } }")
        func route(_ payload: String) throws -> Batch {
            var batch = Batch()
            try router.route(
                MQTTMessage(topic: "a", payload: Array(payload.utf8), retained: true), arrival: arrival, into: &batch)
            return batch
        }
        let old = try route(#"{"t":20}"#)
        #expect(old.readings.map(\.quality) == [.uncertain])
        #expect(old.readings.map(\.reason) == [.retained])
        #expect(old.events.map(\.kind) == [.telemetry])
        let dated = try route(#"{"t":20,"ts":1795251000}"#)
        #expect(dated.readings.map(\.quality) == [.good])
    }

    @Test("what one device cannot make sense of, another may")
    func shared() throws {
        var router = try router("a", "{}", "{ t: { path: t } }")
        let wild = try self.router("+", "{ id: { path: id } }", "{ u: { path: t } }")
        router = MessageRouter(router.devices + wild.devices, catalog: catalog, collector: known)
        var batch = Batch()
        #expect(throws: MessageRouter.Refusal.noID(device: "dev")) {
            try router.route(
                MQTTMessage(topic: "a", payload: Array(#"{"t":1}"#.utf8), retained: false), arrival: arrival,
                into: &batch)
        }
        #expect(batch.readings.count == 1)
    }

    @Test("a damaged payload gives no reading at all")
    func damaged() throws {
        var router = try router("a", "{}", "{ t: { path: t } }")
        #expect(throws: MessageRouter.Refusal.self) { try route(&router, "a", #"{"t":20,"u":"#) }
    }

    @Test("a wildcard brings no more devices than are allowed")
    func bounded() throws {
        var router = try router("z/+", "{ id: { level: 2 } }", "{ t: { path: t } }")
        for index in 0..<MessageRouter.devicesPerWildcard { _ = try route(&router, "z/\(index)", #"{"t":1}"#) }
        #expect(throws: MessageRouter.Refusal.tooManyDevices(device: "dev")) {
            try route(&router, "z/one-more", #"{"t":1}"#)
        }
        #expect(try route(&router, "z/5", #"{"t":2}"#).device == "dev.5")
    }

    @Test("when the link is down, its devices are offline and their points bad, once")
    func linkFails() throws {
        var router = try router("a", "{}", "{ t: { path: t } }")
        _ = try route(&router, "a", #"{"t":20}"#)
        var batches: [Batch] = []
        for _ in 0..<5 {
            var batch = Batch()
            router.linkDown(since: arrival.time, at: arrival.time, into: &batch)
            batches.append(batch)
        }
        #expect(batches.map(\.events.count) == [2, 0, 0, 0, 0])
        #expect(batches[0].readings.map(\.quality) == [.bad])
    }

    @Test("a device of its own topic is offline when the link is down, also if it was never heard of")
    func linkFailsBeforeAnything() throws {
        for (topic, expectsAll, events) in [("a", true, 2), ("a", false, 0), ("a/+", true, 0)] {
            var router = try router(topic, topic == "a" ? "{}" : "{ id: { level: 2 } }", "{ t: { path: t } }")
            var batch = Batch()
            router.linkDown(since: arrival.time, at: arrival.time, expectsAll: expectsAll, into: &batch)
            #expect(batch.events.count == events, "\(topic)")
        }
    }

    @Test("a device that is silent for three times its usual interval is offline, once, and back when it sends")
    func silence() throws {
        var router = try router("plug", "{}", "{ p: { path: P } }")
        var now = arrival
        func pass(_ seconds: Int) {
            now.time = now.time.advanced(byMicroseconds: Int64(seconds) * 1_000_000)
            now.instant += .seconds(seconds)
        }
        func states(_ change: (inout Batch) throws -> Void) rethrows -> [StatusChange] {
            var batch = Batch()
            try change(&batch)
            return batch.events.compactMap { if case .status(let change) = $0.detail { change } else { nil } }
        }
        let message = MQTTMessage(topic: "plug", payload: Array(#"{"P":5}"#.utf8), retained: false)
        for _ in 0..<10 {
            _ = try states { try router.route(message, arrival: now, into: &$0) }
            pass(60)
        }
        let last = now.time.advanced(byMicroseconds: -60_000_000)
        pass(119)
        #expect(states { router.markSilent(listening: arrival, at: now, into: &$0) }.isEmpty)
        pass(2)
        #expect(states { router.markSilent(listening: now, at: now, into: &$0) }.isEmpty)
        let gone = states { router.markSilent(listening: arrival, at: now, into: &$0) }
        #expect(gone == [StatusChange(state: .offline, since: last, reason: .silent)])
        #expect(states { router.markSilent(listening: arrival, at: now, into: &$0) }.isEmpty)
        #expect(try states { try router.route(message, arrival: now, into: &$0) }.map(\.state) == [.online])
    }

    @Test("a device whose map says how often it sends is missed though it was never heard of")
    func neverHeard() throws {
        var router = try router("plug", "{ silent_after: 1min }", "{ p: { path: P } }")
        var batch = Batch()
        var later = arrival
        later.instant += .seconds(59)
        router.markSilent(listening: arrival, at: later, into: &batch)
        #expect(batch.isEmpty)
        later.instant += .seconds(2)
        router.markSilent(listening: arrival, at: later, into: &batch)
        #expect(batch.readings.map(\.reason) == [.offline])
    }

    @Test("a list is read element by element, each with its time, and the message around them says the rest")
    func items() throws {
        var router = try router(
            "in/+", "{ items: data.list, id: { path: mac }, time: { path: ts, format: unix } }", "{ t: { path: t } }")
        var batch = Batch()
        let payload =
            #"{"mac":"a","data":{"list":[{"t":1,"ts":1795251600},{"t":2,"ts":1795251660},{"mac":"b","t":3}]}}"#
        try router.route(
            MQTTMessage(topic: "in/x", payload: Array(payload.utf8), retained: false), arrival: arrival, into: &batch)
        #expect(batch.readings.map(\.value) == [.integer(1), .integer(2), .integer(3)])
        let telemetry = batch.events.filter { $0.kind == .telemetry }
        #expect(telemetry.map { catalog.contents[$0.device]?.id } == ["dev.a", "dev.a", "dev.b"])
        #expect(
            telemetry.map(\.time.microseconds) == [1_795_251_600_000_000, 1_795_251_660_000_000, 1_795_251_600_000_000])
    }

    @Test("a payload that is a list, or has nothing where the list should be")
    func rootItems() throws {
        var root = try router("a", "{ items: . }", "{ t: { path: t } }")
        #expect(try route(&root, "a", #" [ {"t":1} , {"t":2} ] "#).readings == ["t": .integer(2)])
        #expect(try route(&root, "a", "[]").readings.isEmpty)
        #expect(try route(&root, "a", #"{"t":5}"#).readings == ["t": .integer(5)])
        var inner = try router("b", "{ items: list }", "{ t: { path: t } }")
        #expect(throws: MessageRouter.Refusal.self) { try route(&inner, "b", #"{"t":5}"#) }
    }

    @Test("a list with nothing in it gives no reading, and shows that the device is there")
    func emptyList() throws {
        var router = try router("a", "{ items: ., silent_after: 1min }", "{ t: { path: t } }")
        let listening = arrival
        var now = arrival
        var batch = Batch()
        func say(_ payload: String) throws {
            let message = MQTTMessage(topic: "a", payload: Array(payload.utf8), retained: false)
            try router.route(message, arrival: now, into: &batch)
        }
        try say(#"[{"t":1}]"#)
        for _ in 0..<3 {
            now.instant += .seconds(50)
            try say("[]")
            router.markSilent(listening: listening, at: now, into: &batch)
        }
        #expect(batch.readings.map(\.quality) == [.good])
        now.instant += .seconds(61)
        router.markSilent(listening: listening, at: now, into: &batch)
        #expect(batch.readings.map(\.quality) == [.good, .bad])
        try say("[]")
        #expect(batch.events.count { if case .status = $0.detail { true } else { false } } == 3)
    }
}
