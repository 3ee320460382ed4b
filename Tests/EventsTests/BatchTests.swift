// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@Suite("Batch")
struct BatchTests {
    private func reading(_ series: Int32, _ value: Double) -> Reading {
        Reading(series: SeriesNumber(raw: series), time: Timestamp(microseconds: 5), value: .number(value))
    }

    @Test("lets go of filtered readings and of telemetry left empty, and of nothing else")
    func compacts() {
        var batch = Batch()
        let device = DeviceNumber(raw: 0)
        batch.readings = [reading(0, 1), reading(1, 2)]
        batch.closeTelemetry(device: device, time: Timestamp(microseconds: 1))
        batch.append(
            StatusChange(state: .online, since: Timestamp(microseconds: 1), reason: .none), device: device,
            time: Timestamp(microseconds: 1))
        batch.readings.append(reading(2, 3))
        batch.closeTelemetry(device: device, time: Timestamp(microseconds: 2))
        batch.readings[0].isKept = false
        batch.readings[2].isKept = false
        #expect(batch.compact() == 2)
        #expect(batch.events.map(\.kind) == [.telemetry, .status])
        #expect(batch.readings.map(\.series.raw) == [1])
        #expect(batch.events[0].readings == 0..<1)
        #expect(batch.events[1].readings.isEmpty)
    }

    @Test("takes texts along when an event moves to another batch")
    func movesTexts() {
        var one = Batch()
        _ = one.text("unused")
        one.readings.append(
            Reading(series: SeriesNumber(raw: 0), time: Timestamp(microseconds: 0), value: one.text("running")))
        one.closeTelemetry(device: DeviceNumber(raw: 0), time: Timestamp(microseconds: 0))
        var other = Batch()
        _ = other.text("first")
        other.append(one.events[0], of: one)
        guard case .text(let index) = other.readings[0].value else {
            Issue.record("the text is gone")
            return
        }
        #expect(other.text(at: index) == "running")
    }

    @Test("makes no telemetry event without readings")
    func noEmptyTelemetry() {
        var batch = Batch()
        batch.closeTelemetry(device: DeviceNumber(raw: 0), time: Timestamp(microseconds: 0))
        #expect(batch.isEmpty)
    }
}

@Suite("Stored numbers")
struct ByteReaderTests {
    @Test("read back what was written")
    func roundTrip() throws {
        let numbers: [Int64] = [0, 1, -1, 63, -64, 64, 300, .max, .min, 1 << 62]
        var out = ByteWriter()
        for number in numbers { out.zigzag(number) }
        for number in numbers { out.varint(UInt64(bitPattern: number)) }
        out.string("käse")
        out.fixed(0x0123_4567_89AB_CDEF)
        var reader = ByteReader(out.bytes)
        for number in numbers { #expect(try reader.zigzag() == number) }
        for number in numbers { #expect(try reader.varint() == UInt64(bitPattern: number)) }
        #expect(try reader.string() == "käse")
        #expect(try reader.fixed() == 0x0123_4567_89AB_CDEF)
        #expect(reader.isAtEnd)
    }

    @Test("refuse what is cut short, too long or asks for more than there is")
    func refuse() {
        #expect(throws: MalformedBytes.self) {
            var reader = ByteReader([0x80, 0x80]); _ = try reader.varint()
        }
        #expect(throws: MalformedBytes.self) {
            var reader = ByteReader([UInt8](repeating: 0xFF, count: 11))
            _ = try reader.varint()
        }
        #expect(throws: MalformedBytes.self) {
            var reader = ByteReader([200, 1, 65]); _ = try reader.string()
        }
        #expect(throws: MalformedBytes.self) {
            var reader = ByteReader([1, 2, 3]); _ = try reader.fixed()
        }
    }
}
