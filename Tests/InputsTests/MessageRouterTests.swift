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
        func lose(_ events: Int, _ cause: Gap.Cause, at time: Timestamp) {}
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
            examples: [{ payload: "0", expect: {} }]
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
        #expect(Set(router.cover.filters) == ["plug/SENSOR", "plug/RAIN"])
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
        for nonsense in ["0", "-5", "\"x\"", "null", "1e300", "1795251000500", "1795400000", "{}", "true"] {
            #expect(try route(&unix, "a", "{\"ts\":\(nonsense),\"t\":1}").time == arrival.time)
        }
        var nanoseconds = try router("n", "{ time: { path: ts, format: unix_ns } }", "{ t: { path: t } }")
        #expect(
            try route(&nanoseconds, "n", #"{"ts":1795251000500000999,"t":1}"#).time
                == Timestamp(microseconds: 1_795_251_000_500_000))
        var ahead = try router("h", "{ time: { path: ts, format: unix, max_ahead: 48h } }", "{ t: { path: t } }")
        #expect(
            try route(&ahead, "h", #"{"ts":1795400000,"t":1}"#).time == Timestamp(microseconds: 1_795_400_000_000_000))
        var iso = try router("b", "{ time: { path: ts, format: iso8601 } }", "{ t: { path: t } }")
        #expect(try route(&iso, "b", #"{"ts":"2026-11-21T09:00:00+00:00","t":1}"#).time == arrival.time)
    }

    @Test(
        "a time in any form of ISO 8601, with a zone or in the map's, through both changes of the clocks",
        arguments: [
            ("2026-11-21T08:30:00Z", "2026-11-21T08:30:00.000000Z"),
            ("20261121T083000Z", "2026-11-21T08:30:00.000000Z"),
            ("2026-11-21 09:30:00+01", "2026-11-21T08:30:00.000000Z"),
            ("2026-11-21T09:30:00,25+0100", "2026-11-21T08:30:00.250000Z"),
            ("2026-325T08:30Z", "2026-11-21T08:30:00.000000Z"), ("2026-W47-6T08:30:00Z", "2026-11-21T08:30:00.000000Z"),
            ("2026-11-20T24:00:00Z", "2026-11-21T00:00:00.000000Z"),
            ("2026-11-21T08.5Z", "2026-11-21T08:30:00.000000Z"),
            ("2026-11-21T09:30:00", "2026-11-21T08:30:00.000000Z"), ("2026-07-01T09:30", "2026-07-01T07:30:00.000000Z"),
            // Twice there, and nearer to November; not there at all.
            ("2026-10-25T02:30:00", "2026-10-25T01:30:00.000000Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00.000000Z"),
        ])
    func times(text: String, expected: String) throws {
        let format = "{ time: { path: ts, format: iso8601, zone: Europe/Berlin } }"
        var router = try router("a", format, "{ t: { path: t } }")
        #expect(try route(&router, "a", #"{"ts":"\#(text)","t":1}"#).time?.iso8601 == expected)
    }

    @Test(
        "what is no time is not taken for one",
        arguments: [
            "2026-13-01T00:00Z", "2026-11-31T00:00Z", "2026-11-21T25:00Z", "2026-11-21", "21.11.2026 09:30",
            "2026-W54-1T00Z",
            "2026-11-21T09:30:00 CET", "2026-366T00Z",
        ])
    func noTimes(text: String) throws {
        var router = try router("a", "{ time: { path: ts, format: iso8601 } }", "{ t: { path: t } }")
        var batch = Batch()
        try router.route(
            MQTTMessage(topic: "a", payload: Array(#"{"ts":"\#(text)","t":1}"#.utf8), retained: false),
            arrival: arrival,
            into: &batch)
        #expect(batch.events[0].time == arrival.time && batch.events[0].origin.isTimeRefused)
        #expect(router.takeRefusedTimes() == 1)
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
        for index in 0..<1_000 { _ = try route(&router, "z/\(index)", #"{"t":1}"#) }
        #expect(throws: MessageRouter.Refusal.tooManyDevices(device: "dev")) {
            try route(&router, "z/one-more", #"{"t":1}"#)
        }
        #expect(try route(&router, "z/5", #"{"t":2}"#).device == "dev.5")
    }

    @Test("a device that is silent for long gives its place to another, and the reading that found none is counted")
    func forgotten() throws {
        let one = try router("z/+", "{ id: { level: 2 } }", "{ t: { path: t } }")
        var device = one.devices[0]
        (device.maxDevices, device.forgetAfter) = (2, 60_000_000)
        var router = MessageRouter([device], catalog: catalog, collector: known)
        func route(_ id: String, after seconds: Double) throws -> Batch {
            var batch = Batch()
            let later = MessageRouter.Arrival(
                time: arrival.time.advanced(byMicroseconds: Int64(seconds * 1e6)),
                instant: arrival.instant + .seconds(seconds))
            try router.route(
                MQTTMessage(topic: "z/\(id)", payload: Array(#"{"t":1}"#.utf8), retained: false), arrival: later,
                into: &batch)
            return batch
        }
        _ = (try route("a", after: 0), try route("b", after: 30))
        #expect(throws: MessageRouter.Refusal.tooManyDevices(device: "dev")) { try route("c", after: 59) }
        #expect(router.takeUnplaced() == 1 && router.takeUnplaced() == 0)
        let batch = try route("c", after: 60)
        #expect(batch.events.map { catalog.contents[$0.device]?.id } == ["dev.a", "dev.a", "dev.c", "dev.c"])
    }

    @Test("ids are of several levels, of the rest of a topic, of a path and levels: two devices never become one")
    func identities() throws {
        var levels = try router("s/+/+", "{ id: { levels: [2, 3] } }", "{ t: { path: t } }")
        #expect(try route(&levels, "s/A/d5", #"{"t":1}"#).device == "dev.A.d5")
        #expect(try route(&levels, "s/B/d5", #"{"t":1}"#).device == "dev.B.d5")
        var rest = try router("s/#", "{ id: { from_level: 2 } }", "{ t: { path: t } }")
        let deep = try route(&rest, "s/A/d5", #"{"t":1}"#).device
        #expect(deep?.hasPrefix("dev.A-d5-") ?? false)
        #expect(try route(&rest, "s/A-d5", #"{"t":1}"#).device == "dev.A-d5")
        var both = try router("s/+/x", "{ id: { level: 2, path: n } }", "{ t: { path: t } }")
        #expect(try route(&both, "s/A/x", #"{"t":1,"n":5}"#).device == "dev.A.5")
        #expect(try route(&both, "s/B/x", #"{"t":1,"n":5}"#).device == "dev.B.5")
        // Of a fixed topic, too: each element of a list is the device that it says it is.
        var fixed = try router("all", "{ id: { path: macid }, items: . }", "{ t: { path: t } }")
        var batch = Batch()
        try fixed.route(
            MQTTMessage(
                topic: "all", payload: Array(#"[{"macid":"a","t":1},{"macid":"b","t":2}]"#.utf8), retained: false),
            arrival: arrival, into: &batch)
        #expect(Set(batch.events.map { catalog.contents[$0.device]?.id }) == ["dev.a", "dev.b"])
    }

    @Test("a message of another product behind the same wildcard brings no device")
    func otherProducts() throws {
        var router = try router("z/+", "{ id: { level: 2 }, requires: [h] }", "{ t: { path: t }, h: { path: h } }")
        #expect(throws: MessageRouter.Refusal.notOfMap(device: "dev")) { try route(&router, "z/lamp", #"{"t":20}"#) }
        #expect(try route(&router, "z/weather", #"{"t":20,"h":50}"#).device == "dev.weather")
        // Known once, it may tell a part.
        #expect(try route(&router, "z/weather", #"{"t":21}"#).device == "dev.weather")
        var plain = try self.router("y/+", "{ id: { level: 2 } }", "{ t: { path: t } }")
        #expect(throws: MessageRouter.Refusal.notOfMap(device: "dev")) { try route(&plain, "y/lamp", #"{"on":true}"#) }
        var device = try self.router("x/+", "{ id: { level: 2 } }", "{ t: { path: t } }").devices[0]
        device.allows = { $0.hasPrefix("bed-") }
        var listed = MessageRouter([device], catalog: catalog, collector: known)
        #expect(throws: MessageRouter.Refusal.notAllowed(device: "dev")) { try route(&listed, "x/lamp", #"{"t":1}"#) }
        #expect(try route(&listed, "x/bed-1", #"{"t":1}"#).device == "dev.bed-1")
    }

    @Test("a message that a broker sends once for each filter is one event a device")
    func copies() throws {
        let lamp = try router("z/a/b", "{}", "{ t: { path: t } }").devices[0]
        var many = try router("z/+/b", "{ id: { level: 2 } }", "{ t: { path: t } }").devices[0]
        many.name = "many"
        let covered = MessageRouter([lamp, many], catalog: catalog, collector: known)
        #expect(covered.cover.filters == ["z/+/b"] && covered.cover.crossing == nil)
        var other = try router("z/a/+", "{ id: { level: 3 } }", "{ t: { path: t } }").devices[0]
        other.name = "other"
        var crossing = MessageRouter([lamp, many, other], catalog: catalog, collector: known)
        #expect(crossing.cover.filters == ["z/+/b", "z/a/+"] && crossing.cover.crossing != nil)
        func route(_ filters: String...) throws -> Set<String> {
            let subscriptions = filters.map(TopicFilter.identifier)
            var batch = Batch()
            try crossing.route(
                MQTTMessage(
                    topic: "z/a/b", payload: Array(#"{"t":1}"#.utf8), retained: false, subscriptions: subscriptions),
                arrival: arrival, into: &batch)
            return Set(batch.events.compactMap { catalog.contents[$0.device]?.id })
        }
        // A copy for each, or one for both.
        #expect(try route("z/+/b") == ["dev", "many.a"])
        #expect(try route("$share/g/z/a/+") == ["other.b"])
        #expect(try route("z/+/b", "z/a/+") == ["dev", "many.a", "other.b"])
        #expect(try route() == ["dev", "many.a", "other.b"])
        // One that has waited for a filter that nothing is known of is not lost.
        #expect(try route("z/#") == ["dev", "many.a", "other.b"])
        // One for a filter of an earlier configuration is read by what had no copy of its own.
        var changed = MessageRouter(
            [lamp, many, other], catalog: catalog, collector: known, earlier: ["z/#", "z/+/b"])
        swap(&changed, &crossing)
        #expect(try route("z/#") == ["other.b"])
        #expect(try route("z/+/b") == ["dev", "many.a"])
        // Where the broker refuses a wildcard, what it covers has a subscription of its own.
        crossing.subscribe(without: ["z/+/b"])
        #expect(crossing.cover.filters == ["z/a/+"])
        crossing.subscribe(without: ["z/+/b", "z/a/+"])
        #expect(crossing.cover.filters == ["z/a/b"])
    }

    @Test(
        "what a broker says of a device that is gone does not prove that it is there; what removes a value removes it")
    func presence() throws {
        var router = try router(
            "plug", "{ payload: json, presence: { topic: LWT, online: Online, offline: [Offline, gone] } }",
            "{ t: { path: t } }")
        #expect(Set(router.cover.filters) == ["plug", "plug/LWT"])
        func take(_ topic: String, _ payload: String) throws -> (states: [StatusChange], readings: [Reading]) {
            var batch = Batch()
            try router.route(
                MQTTMessage(topic: topic, payload: Array(payload.utf8), retained: false), arrival: arrival, into: &batch
            )
            return (
                batch.events.compactMap { if case .status(let change) = $0.detail { change } else { nil } },
                batch.readings
            )
        }
        let gone = try take("plug/LWT", "Offline")
        #expect(gone.states.map(\.state) == [.offline] && gone.states.map(\.reason) == [.death])
        #expect(gone.readings.map(\.quality) == [.bad])
        #expect(try take("plug/LWT", "gone").states.isEmpty)
        #expect(try take("plug/LWT", "Online\n").states.map(\.state) == [.online])
        #expect(try take("plug", #"{"t":1}"#).states.isEmpty)
        #expect(throws: MessageRouter.Refusal.unknownPresence(device: "dev")) { try take("plug/LWT", "maybe") }
        let cleared = try take("plug", "")
        #expect(cleared.states.isEmpty && cleared.readings.map(\.quality) == [.absent])
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
        var router = try router("plug", "{ offline_after: 1min }", "{ p: { path: P } }")
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
        var router = try router("a", "{ items: ., offline_after: 1min }", "{ t: { path: t } }")
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
