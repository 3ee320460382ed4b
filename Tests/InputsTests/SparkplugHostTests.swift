// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Sparkplug
import Testing

@testable import Inputs
@testable import MQTT

@Suite("Edge nodes of Sparkplug")
struct SparkplugHostTests {
    /// A gateway that listens to the edge nodes of group g, and what it made of what they said.
    private final class Listener {
        let catalog = Catalog()
        var host: SparkplugHost
        var batch = Batch()
        let start = ContinuousClock.now
        var seconds = 0.0

        init(_ node: String = "n", room: Int = SparkplugRoom.size) {
            let pattern = SparkplugNodeName(group: "g", node: node)
            host = SparkplugHost(
                [SparkplugDevice(name: "line", pattern: pattern, map: ("sparkplug-b", 3), tags: [])], catalog: catalog,
                room: SparkplugRoom(size: room))
        }

        var now: MessageRouter.Arrival {
            MessageRouter.Arrival(
                time: Timestamp(microseconds: 1_795_251_600_000_000 + Int64(seconds * 1e6)),
                instant: start + .microseconds(Int64(seconds * 1e6)))
        }

        func hear(_ kind: String, _ sequence: UInt64?, _ metrics: [SparkplugMetric], device: String? = nil)
            -> SparkplugNode.Refusal?
        {
            let payload = SparkplugPayload(timestamp: nil, sequence: sequence, metrics: metrics)
            let topic = "spBv1.0/g/\(kind)/n" + (device.map { "/\($0)" } ?? "")
            do throws(SparkplugNode.Refusal) {
                let message = MQTTMessage(topic: topic, payload: payload.bytes, retained: false)
                return try host.take(message, at: now, into: &batch) ? nil : .malformed
            } catch {
                return error
            }
        }

        func pass(_ seconds: Double) -> Int {
            self.seconds += seconds
            return host.tick(now, into: &batch)
        }

        /// Whether births are asked for now.
        func asks() -> Bool { !host.requests(at: now).isEmpty }

        /// Device, state and reason of each change.
        var states: [String] {
            batch.events.compactMap { event in
                guard case .status(let change) = event.detail else { return nil }
                return "\(catalog.contents[event.device]?.id ?? "?") \(change.state.name) \(change.reason.name)"
            }
        }

        /// Value and quality of each reading of a point.
        func readings(_ point: String) -> [String] {
            batch.readings.filter { catalog.contents[$0.series]?.point == point }.map { reading in
                "\(reading.value.asNumber.map { "\($0)" } ?? "-") \(reading.quality.name)"
            }
        }
    }

    private let death = [SparkplugMetric(name: "bdSeq", type: .int64, raw: .long(7))]

    private func temperature(_ value: Double, alias: UInt64? = nil, isBirth: Bool = false) -> SparkplugMetric {
        var metric = SparkplugMetric(name: "t", type: .double, raw: .double(value))
        if let alias {
            metric.alias = alias
            if !isBirth { (metric.name, metric.typeCode) = (nil, nil) }
        }
        return metric
    }

    @Test("messages that overtake one another are no loss")
    func reordered() {
        let one = Listener()
        #expect(one.hear("NBIRTH", 254, [temperature(0, alias: 1, isBirth: true)]) == nil)
        #expect(one.hear("NDATA", 0, [temperature(2, alias: 1)]) == nil)
        #expect(one.pass(1) == 0)
        #expect(one.hear("NDATA", 255, [temperature(1, alias: 1)]) == nil)
        #expect(one.hear("NDATA", 1, [temperature(3, alias: 1)]) == nil)
        #expect(one.pass(5) == 0)
        #expect(one.readings("t") == ["0.0 good", "2.0 uncertain", "1.0 good", "3.0 good"])
        #expect(!one.asks())
    }

    @Test(
        "a time that cannot be is that of the arrival, and is marked",
        arguments: [
            (0, true), (1_795_251_000_000, false), (1_795_251_600, true), (1_795_251_600_000 + 86_400_000, false),
            (1_795_251_600_000 + 86_401_000, true), (UInt64.max, true),
        ] as [(UInt64, Bool)])
    func falseTimes(milliseconds: UInt64, isRefused: Bool) {
        let one = Listener()
        var metric = temperature(1)
        _ = one.hear("NBIRTH", 0, [metric])
        metric.timestamp = milliseconds
        #expect(one.hear("NDATA", 1, [metric]) == nil)
        let last = one.batch.readings.last
        #expect(last?.quality == .good)
        #expect(last?.time == (isRefused ? one.now.time : Timestamp(sparkplug: milliseconds)))
        #expect(one.batch.events.last?.origin.isTimeRefused == isRefused)
        #expect(one.batch.events.first { $0.detail == .telemetry }?.origin.isTimeRefused == false)
    }

    @Test("what is missing for two seconds is lost, and a birth is asked for ever more seldom")
    func lost() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [temperature(0)])
        _ = one.hear("NDATA", 3, [temperature(1)])
        #expect(!one.asks())
        #expect(one.pass(2) == 2)
        #expect(one.asks())
        #expect(one.pass(4) == 0)
        #expect(!one.asks())
        _ = one.pass(1)
        #expect(one.asks())
        _ = one.pass(9)
        #expect(!one.asks())
        _ = one.pass(1)
        #expect(one.asks())
        _ = one.hear("NDATA", 4, [temperature(2)])
        _ = one.hear("NBIRTH", 0, [temperature(3)])
        _ = one.hear("NDATA", 1, [temperature(4)])
        _ = one.pass(600)
        #expect(!one.asks())
        #expect(one.readings("t") == ["0.0 good", "1.0 uncertain", "2.0 uncertain", "3.0 good", "4.0 good"])
    }

    @Test("a node that counts anew without a birth is not trusted")
    func unheardBirth() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [temperature(0)])
        for number in 1...60 { _ = one.hear("NDATA", UInt64(number), [temperature(1)]) }
        _ = one.hear("NDATA", 1, [temperature(2)])
        #expect(one.readings("t").last == "2.0 uncertain")
        _ = one.pass(0)
        #expect(one.asks())
    }

    @Test("a number, a name or a type that no birth told of gives nothing and asks for one")
    func unknown() {
        let one = Listener()
        #expect(one.hear("NDATA", 5, [temperature(1)]) == .unborn)
        #expect(one.asks())
        _ = one.hear("NBIRTH", 0, [temperature(0, alias: 1, isBirth: true)])
        #expect(one.hear("NDATA", 1, [temperature(1, alias: 2), temperature(2, alias: 1)]) == .unborn)
        let other = SparkplugMetric(name: "t", type: .int32, raw: .int(5))
        #expect(one.hear("NDATA", 2, [other]) == .unborn)
        #expect(one.readings("t") == ["0.0 good", "2.0 good"])
        #expect(!one.asks())
        _ = one.pass(5)
        #expect(one.asks())
    }

    @Test("a number that stands for two things stands for neither, and devices may number theirs alike")
    func aliases() {
        let one = Listener()
        var other = SparkplugMetric(name: "u", type: .double, raw: .double(9))
        other.alias = 1
        _ = one.hear("NBIRTH", 0, [session])
        _ = one.hear("DBIRTH", 1, [temperature(0, alias: 1, isBirth: true)], device: "d")
        _ = one.hear("DBIRTH", 2, [other], device: "e")
        #expect(one.hear("DDATA", 3, [temperature(1, alias: 1)], device: "d") == nil)
        #expect(one.readings("t") == ["0.0 good", "1.0 good"])
        _ = one.hear("DBIRTH", 4, [temperature(2, alias: 1, isBirth: true), other], device: "d")
        #expect(one.hear("DDATA", 5, [temperature(3, alias: 1)], device: "d") == .unborn)
        #expect(one.readings("t").last == "2.0 good")
    }

    @Test("a name that stands for two metrics is not read")
    func twice() {
        let one = Listener()
        let other = SparkplugMetric(name: "t", type: .int16, raw: .int(7))
        #expect(one.hear("NBIRTH", 0, [temperature(1), other, temperature(2)]) == nil)
        #expect(one.hear("NDATA", 1, [temperature(3)]) == nil)
        #expect(one.batch.readings.isEmpty)
        #expect(one.host.unread == 1)
    }

    @Test("an old death does not stop a birth from being asked for")
    func oldDeath() {
        let one = Listener()
        one.host.connected(at: one.now.instant)
        #expect(one.hear("NDEATH", nil, death) == nil)
        #expect(one.asks())
        #expect(one.hear("NBIRTH", 0, [SparkplugMetric(name: "bdSeq", type: .int64, raw: .long(8))]) == nil)
        #expect(one.hear("NDEATH", nil, death) == .staleDeath)
        #expect(one.states.last == "line online none")
    }

    @Test("a node that was not yet asked is not silent, and one that never answers is")
    func neverAnswers() {
        let one = Listener()
        one.host.connected(at: one.now.instant)
        _ = one.pass(300)
        #expect(one.states.isEmpty)
        #expect(one.asks())
        _ = one.pass(61)
        #expect(one.states == ["line offline silent"])
    }

    @Test("a message that comes twice breaks nothing")
    func duplicates() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [temperature(1)])
        for number in [1, 1, 2, 2] { _ = one.hear("NDATA", UInt64(number), [temperature(Double(number))]) }
        #expect(one.readings("t") == ["1.0 good", "1.0 good", "1.0 good", "2.0 good", "2.0 good"])
        #expect(one.pass(5) == 0)
        #expect(!one.asks())
    }

    @Test("a group with an endless name costs no more than its message")
    func endlessNames() throws {
        let one = Listener()
        var bytes: [UInt8] = []
        func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
            var length = content.count
            var varint: [UInt8] = []
            repeat {
                varint.append(UInt8(length & 0x7F) | (length > 0x7F ? 0x80 : 0))
                length >>= 7
            } while length > 0
            var tag = [number << 3 | 2]
            if number > 15 { tag = [(number << 3 | 2) & 0x7F | 0x80, number >> 4] }
            return tag + varint + content
        }
        let name = Array(repeating: UInt8(ascii: "g"), count: 800_000)
        let members = (0..<10_000).flatMap { _ in field(2, field(1, [0x6D]) + [0x20, 9]) }
        bytes = field(2, field(1, name) + [0x20, 19] + field(18, members))
        let message = MQTTMessage(topic: "spBv1.0/g/NBIRTH/n", payload: bytes, retained: false)
        #expect(try one.host.take(message, at: one.now, into: &one.batch))
        #expect(one.host.unread == 1)
        #expect(one.batch.readings.isEmpty)
    }

    @Test("what a broker has kept is not read, and a birth is asked for")
    func retained() {
        let one = Listener("+")
        let birth = SparkplugPayload(timestamp: nil, sequence: 0, metrics: [temperature(1)])
        let message = MQTTMessage(topic: "spBv1.0/g/NBIRTH/n", payload: birth.bytes, retained: true)
        #expect(throws: SparkplugNode.Refusal.retained) {
            try one.host.take(message, at: one.now, into: &one.batch)
        }
        #expect(one.batch.isEmpty)
        #expect(one.asks())
    }

    @Test("a node whose births leave out what it sends is not asked again and again")
    func incompleteBirths() {
        let one = Listener()
        let other = SparkplugMetric(name: "u", type: .double, raw: .double(1))
        var asked = 0
        for second in 0..<600 {
            _ = one.hear("NBIRTH", 0, [temperature(Double(second))])
            _ = one.hear("NDATA", 1, [other])
            asked += one.asks() ? 1 : 0
            _ = one.pass(1)
        }
        #expect((4...8).contains(asked), "\(asked)")
    }

    @Test("a device that is not born again after its node is gone")
    func notBornAgain() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [session])
        _ = one.hear("DBIRTH", 1, [temperature(1)], device: "d")
        _ = one.hear("DBIRTH", 2, [temperature(2)], device: "e")
        _ = one.hear("NBIRTH", 0, [session])
        #expect(one.hear("DDATA", 1, [temperature(3)], device: "d") == .unborn)
        _ = one.hear("DBIRTH", 2, [temperature(4)], device: "e")
        _ = one.pass(29)
        #expect(one.states.count == 3)
        _ = one.pass(2)
        #expect(one.states.last == "line.d offline death")
        #expect(one.states.count == 4)
        #expect(one.readings("t") == ["1.0 good", "2.0 good", "4.0 good", "- bad"])
    }

    @Test("a birth that its own death has overtaken brings nobody back")
    func lateBirth() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, death)
        _ = one.hear("NDEATH", nil, death)
        _ = one.pass(0.5)
        #expect(one.hear("NBIRTH", 0, death) == .staleBirth)
        #expect(one.states == ["line online none", "line offline death"])
        #expect(one.asks())
        _ = one.pass(1)
        #expect(one.hear("NBIRTH", 0, death) == nil)
        #expect(one.states.last == "line online none")
    }

    @Test("a node that says nothing after an interruption, though it is asked, is gone")
    func goneMeanwhile() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [temperature(1)])
        one.host.connected(at: one.now.instant)
        #expect(one.asks())
        _ = one.pass(59)
        #expect(one.states.count == 1)
        _ = one.pass(2)
        #expect(one.states.last == "line offline silent")
        #expect(one.readings("t") == ["1.0 good", "- bad"])
    }

    @Test("who was never told the time is stamped as it comes")
    func times() {
        let one = Listener()
        var old = temperature(1)
        old.timestamp = 5_000
        var right = temperature(2)
        right.timestamp = 1_700_000_000_000
        var endless = temperature(3)
        endless.timestamp = .max
        _ = one.hear("NBIRTH", 0, [old, right, endless])
        #expect(
            one.batch.readings.map(\.time.microseconds)
                == [1_795_251_600_000_000, 1_700_000_000_000_000, 1_795_251_600_000_000])
    }

    /// What is in each birth of an edge node.
    private var session: SparkplugMetric { SparkplugMetric(name: "bdSeq", type: .int64, raw: .long(0)) }

    @Test(
        "a compressed payload withdraws nothing, is counted as unreadable, and a birth is asked for",
        arguments: ["NBIRTH", "DBIRTH/d", "NDATA", "DDATA/d"])
    func unreadable(topic: String) throws {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [session, temperature(1, alias: 1, isBirth: true)])
        _ = one.hear("DBIRTH", 1, [temperature(2, alias: 2, isBirth: true)], device: "d")
        _ = one.asks()
        let before = one.readings("t")
        // The fields `uuid` (4) and `body` (5).
        let body: [UInt8] = [0x22, 3] + Array("GZP".utf8) + [0x2A, 2, 0x1F, 0x8B]
        let payload = SparkplugPayload(timestamp: nil, sequence: 2, metrics: []).bytes + body
        let parts = topic.split(separator: "/")
        let full = "spBv1.0/g/\(parts[0])/n" + (parts.count > 1 ? "/d" : "")
        let message = MQTTMessage(topic: full, payload: payload, retained: false)
        #expect(throws: SparkplugNode.Refusal.unreadable) { try one.host.take(message, at: one.now, into: &one.batch) }
        #expect(one.readings("t") == before)
        #expect(one.asks())
    }

    @Test("data without a metric is no gap, and a device may have none")
    func empty() {
        let one = Listener()
        _ = one.hear("NBIRTH", 0, [session, temperature(1, alias: 1, isBirth: true)])
        _ = one.asks()
        #expect(one.hear("NDATA", 1, []) == nil)
        #expect(one.hear("DBIRTH", 2, [], device: "d") == nil)
        _ = one.hear("NDATA", 3, [temperature(4, alias: 1)])
        #expect(one.pass(5) == 0)
        #expect(one.readings("t").last == "4.0 good")
    }

    @Test("nodes beyond a thousand, and names that no screen should show, are refused")
    func bounds() {
        let one = Listener("+")
        var refused = 0
        for number in 0..<1_005 {
            let payload = SparkplugPayload(timestamp: nil, sequence: 0, metrics: [session])
            let message = MQTTMessage(topic: "spBv1.0/g/NBIRTH/\(number)", payload: payload.bytes, retained: false)
            do { _ = try one.host.take(message, at: one.now, into: &one.batch) } catch { refused += 1 }
        }
        #expect(refused == 5)
        for (count, isRefused) in [(20_000, false), (40_000, true)] {
            // An empty metric takes two bytes, on the wire.
            let payload = Array(repeatElement([0x12, 0x00] as [UInt8], count: count).joined())
            #expect(((try? SparkplugPayload(payload)) == nil) == isRefused)
        }
        let other = Listener()
        let names = ["", "a\u{1B}[2J", "b\u{9B}", String(repeating: "c", count: 257), "d"]
        _ = other.hear("NBIRTH", 0, names.map { SparkplugMetric(name: $0, type: .int8, raw: .int(1)) })
        #expect(other.batch.readings.count == 1)
        #expect(other.host.unread == 4)
        #expect(other.hear("NDATA", 1, [SparkplugMetric(name: names[1], type: .int8, raw: .int(1))]) == nil)
    }

    /// A metric of a type that is not read, with a number.
    private func unread(_ name: String, alias: UInt64) -> SparkplugMetric {
        var metric = SparkplugMetric(name: name, type: .double, raw: .double(1))
        (metric.typeCode, metric.alias) = (16, alias)
        return metric
    }

    @Test(
        "births of ever new nodes and devices, with ever new metrics and numbers, take up no more than there is room for"
    )
    func room() throws {
        let one = Listener("+", room: 1 << 20)
        var (refused, taken) = (0, 0)
        for node in 0..<50 {
            let metrics = (0..<1_000).map { number in
                unread("metric \(node) \(number)", alias: UInt64(number))
            }
            let payload = SparkplugPayload(timestamp: nil, sequence: 0, metrics: metrics)
            let message = MQTTMessage(topic: "spBv1.0/g/NBIRTH/\(node)", payload: payload.bytes, retained: false)
            do {
                _ = try one.host.take(message, at: one.now, into: &one.batch)
                taken += 1
            } catch { refused += 1 }
            one.batch = Batch()
        }
        #expect(refused > 0 && taken > 5, "\(refused), \(taken)")
        // What it had no room for may be what a message speaks of: that is no reason to ask for births for ever.
        while one.asks() {}
        var data = SparkplugMetric(name: "", type: .double, raw: .double(2))
        data.alias = 999
        let last = SparkplugPayload(timestamp: nil, sequence: 1, metrics: [data])
        _ = try one.host.take(
            MQTTMessage(topic: "spBv1.0/g/NDATA/\(taken - 1)", payload: last.bytes, retained: false), at: one.now,
            into: &one.batch)
        _ = one.pass(10)
        #expect(!one.asks())
    }

    @Test("a node that is born again with other numbers and names takes up no more room than its last birth")
    func roomOfLastBirth() {
        let one = Listener(room: 1 << 20)
        for birth in 0..<20 {
            let metrics = (0..<1_000).map { number in
                unread("metric \(number)", alias: UInt64(birth * 1_000 + number))
            }
            #expect(one.hear("NBIRTH", 0, metrics + [temperature(Double(birth))]) == nil)
        }
        // A birth that knows all its names: what it does not have is asked for.
        #expect(one.hear("NDATA", 1, [SparkplugMetric(name: "other", type: .double, raw: .double(2))]) == .unborn)
    }
}
