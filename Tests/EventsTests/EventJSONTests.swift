// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import Testing

@Suite("Event as JSON")
struct EventJSONTests {
    private let catalog = Catalog()
    private let time = Timestamp(microseconds: 1_795_251_600_123_456)

    private func envelope(_ build: (inout Batch) -> Void, isReplayed: Bool = false) throws -> [String: Any] {
        var batch = Batch()
        build(&batch)
        var json = EventJSON(gateway: "press-shop-3", catalog: catalog)
        var out = ByteWriter()
        let id = EventID(epoch: 0x5f0c_2e9a_71b3_d846, lane: .normal, sequence: 18_446)
        json.writeEnvelope(batch.events[0], of: batch, id: id, isReplayed: isReplayed, to: &out)
        return try #require(try JSONSerialization.jsonObject(with: Data(out.bytes)) as? [String: Any])
    }

    private func telemetry(_ values: [(String, Value)], unit: String = "V") throws -> [[String: Any]] {
        let device = catalog.number(of: Device(id: "meter-1", map: "m", mapVersion: 2, tags: []))
        let event = try envelope { batch in
            for (point, value) in values {
                let series = catalog.number(of: Series(device: device, point: point, unit: unit, lane: .normal))
                batch.readings.append(Reading(series: series, time: time, value: value))
            }
            batch.closeTelemetry(device: device, time: time)
        }
        return try #require((event["data"] as? [String: Any])?["readings"] as? [[String: Any]])
    }

    @Test("carries the attributes of a CloudEvent")
    func attributes() throws {
        let device = catalog.number(
            of: Device(id: "meter-1", map: "sdm", mapVersion: 2, tags: [.init(name: "line", value: "A\"\n")]))
        let event = try envelope { batch in
            batch.append(StatusChange(state: .offline, since: time, reason: .timeout), device: device, time: time)
        }
        #expect(event["specversion"] as? String == "1.0")
        #expect(event["id"] as? String == "press-shop-3/5f0c2e9a71b3d846/normal/18446")
        #expect(event["source"] as? String == "/gateways/press-shop-3/devices/meter-1")
        #expect(event["type"] as? String == "headgate.status.v1")
        #expect(event["subject"] as? String == "meter-1")
        #expect(event["time"] as? String == "2026-11-21T09:00:00.123456Z")
        let data = try #require(event["data"] as? [String: Any])
        #expect(data["tags"] as? [String: String] == ["line": "A\"\n"])
        #expect(data["map_version"] as? Int == 2)
        #expect(data["state"] as? String == "offline")
        #expect(data["reason"] as? String == "timeout")
        #expect(data["replayed"] == nil)
    }

    @Test("keeps every number as it is")
    func numbers() throws {
        let readings = try telemetry([
            ("a", .number(230.5)), ("b", .single(230.1)), ("c", .integer(9_007_199_254_740_993)), ("d", .number(-0.0)),
            ("e", .number(Double.leastNonzeroMagnitude)), ("f", .integer(.min)), ("g", .number(1e300)),
        ])
        #expect(readings[0]["value"] as? Double == 230.5)
        // 230.1 as a float, not as the nearest double to that float.
        #expect(readings[1]["value"] as? Double == 230.1)
        #expect(readings[2]["value"] as? Int64 == 9_007_199_254_740_993)
        #expect((readings[3]["value"] as? Double)?.sign == .minus)
        #expect(readings[4]["value"] as? Double == Double.leastNonzeroMagnitude)
        #expect(readings[5]["value"] as? Int64 == .min)
        #expect(readings[6]["value"] as? Double == 1e300)
    }

    @Test("shows null where there is no value, whatever came this far")
    func nulls() throws {
        let readings = try telemetry([("a", .none), ("b", .number(.nan)), ("c", .single(.infinity))])
        for reading in readings { #expect(reading["value"] is NSNull) }
    }

    @Test("escapes texts")
    func texts() throws {
        let nasty = "\"\\\n\r\t\u{01}\u{1F} ü 漢 🏭"
        let device = catalog.number(of: Device(id: "d", map: "m", mapVersion: 1, tags: []))
        let series = catalog.number(of: Series(device: device, point: "p", unit: "", lane: .normal))
        let event = try envelope { batch in
            batch.readings.append(Reading(series: series, time: time, value: batch.text(nasty)))
            batch.closeTelemetry(device: device, time: time)
        }
        let readings = (event["data"] as? [String: Any])?["readings"] as? [[String: Any]]
        #expect(readings?[0]["value"] as? String == nasty)
        #expect(readings?[0]["unit"] == nil)
    }

    @Test("says a reading's own time where it is not the event's")
    func ownTime() throws {
        let device = catalog.number(of: Device(id: "d", map: "m", mapVersion: 1, tags: []))
        let series = catalog.number(of: Series(device: device, point: "p", unit: "V", lane: .normal))
        let event = try envelope(
            { batch in
                batch.readings.append(.bad(series, time: time.advanced(byMicroseconds: 1_000), .illegalAddress))
                batch.closeTelemetry(device: device, time: time)
            }, isReplayed: true)
        let data = event["data"] as? [String: Any]
        let reading = (data?["readings"] as? [[String: Any]])?[0]
        #expect(reading?["time"] as? String == "2026-11-21T09:00:00.124456Z")
        #expect(reading?["quality"] as? String == "bad")
        #expect(reading?["reason"] as? String == "illegal_address")
        #expect(data?["replayed"] as? Bool == true)
    }

    @Test("tells a gap of the gateway")
    func gap() throws {
        let event = try envelope { batch in
            batch.append(
                Gap(
                    cause: .maxSize, lane: .bulk, first: 10, last: 19, count: 10, since: time, until: time,
                    outputs: ["central", "site"]), time: time)
        }
        #expect(event["source"] as? String == "/gateways/press-shop-3")
        #expect(event["subject"] as? String == "press-shop-3")
        let data = event["data"] as? [String: Any]
        #expect(data?["cause"] as? String == "max_size")
        #expect(data?["lane"] as? String == "bulk")
        #expect(data?["first"] as? Int == 10)
        #expect(data?["count"] as? Int == 10)
        #expect(data?["outputs"] as? [String] == ["central", "site"])
    }
}
