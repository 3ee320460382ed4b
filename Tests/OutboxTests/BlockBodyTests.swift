// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import TestSupport
import Testing

@testable import Outbox

@Suite("Block body")
struct BlockBodyTests {
    @Test("what is written is read back, whatever it is")
    func roundTrip() throws {
        var random = SeededGenerator()
        for _ in 0..<500 {
            let batch = Batch.random(using: &random)
            #expect(try BlockBody.decode(BlockBody.encode(batch)) == batch, "seed \(random.seed)")
        }
    }

    @Test("a body from before events had origins is read")
    func withoutOrigins() throws {
        // One event of device 3 at 7 µs with one reading, 42 of series 5: kind, device, time, readings, then a reading's
        // columns (series, quality, reason, time, tag, bits), and no text.
        let bytes: [UInt8] = [1, 1, 0, 6, 14, 1, 10, 0, 0, 14, 3, 84, 0]
        var reader = ByteReader(bytes)
        var expected = Batch()
        let time = Timestamp(microseconds: 7)
        expected.readings.append(Reading(series: SeriesNumber(raw: 5), time: time, value: .integer(42)))
        expected.closeTelemetry(device: DeviceNumber(raw: 3), time: time)
        #expect(try BlockBody.decode(&reader, .old) == expected)
    }

    @Test("bytes that are cut short or changed are an error or another batch, never a trap")
    func damaged() {
        var random = SeededGenerator()
        for _ in 0..<300 {
            var bytes = BlockBody.encode(.random(using: &random))
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 1...bytes.count, using: &random)) }
            for _ in 0..<3 where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? BlockBody.decode(bytes)
        }
    }

    @Test("any bit flipped in a stored block is noticed")
    func flipped() throws {
        var random = SeededGenerator()
        let codec = BlockCodec(keys: .none)
        let block = try codec.encode(
            .random(using: &random), lane: .normal, id: 7, epoch: 5, first: 100, committed: Timestamp(microseconds: 9))
        #expect(try codec.decode(block).batch.events.count == block.events)
        for _ in 0..<200 {
            var damaged = block
            damaged.body[Int.random(in: 0..<block.body.count, using: &random)] ^=
                1 << UInt8.random(in: 0...7, using: &random)
            #expect(throws: CorruptBlock.self, "seed \(random.seed)") { try codec.decode(damaged) }
        }
        var moved = block
        moved.first += 1
        #expect(throws: CorruptBlock.self) { try codec.decode(moved) }
    }

    @Test("a thousand readings of a plant take few bytes")
    func small() throws {
        var batch = Batch()
        for second in 0..<20 {
            let time = Timestamp(microseconds: 1_795_251_600_000_000 + Int64(second) * 1_000_000)
            for series in 0..<50 {
                let value = Float(230 + series) + Float(second % 3) * 0.1
                batch.readings.append(
                    Reading(series: SeriesNumber(raw: Int32(series)), time: time, value: .single(value)))
            }
            batch.closeTelemetry(device: DeviceNumber(raw: 0), time: time)
        }
        let codec = BlockCodec(keys: .none)
        let block = try codec.encode(
            batch, lane: .normal, id: 1, epoch: 5, first: 1, committed: Timestamp(microseconds: 0))
        #expect(block.body.count < 4_000, "\(block.body.count) bytes")
    }
}

extension Batch {
    static func random(using random: inout some RandomNumberGenerator) -> Batch {
        var batch = Batch()
        for _ in 0..<Int.random(in: 1...20, using: &random) {
            let time = Timestamp(microseconds: Int64.random(in: -1_000_000...4_000_000_000_000_000, using: &random))
            let device = DeviceNumber(raw: Int32.random(in: 0...1_000, using: &random))
            switch Int.random(in: 0...9, using: &random) {
            case 0:
                batch.append(StatusChange(state: .offline, since: time, reason: .timeout), device: device, time: time)
            case 2:
                batch.append(
                    WriteAttempt(
                        id: "a", device: "d", point: "p", value: "1", by: "somebody", deadline: time,
                        phase: WriteAttempt.Phase.allCases.randomElement(using: &random) ?? .done, reason: "busy",
                        found: "2"), device: device, time: time)
            case 1:
                batch.append(
                    Gap(
                        cause: .maxAge, lane: .bulk, first: 1, last: .max, count: 5, since: time, until: time,
                        outputs: ["a", "b"]), time: time)
            default:
                for _ in 0..<Int.random(in: 1...30, using: &random) {
                    batch.readings.append(Reading.random(time, &batch, using: &random))
                }
                batch.closeTelemetry(device: device, time: time, origin: .random(using: &random))
            }
        }
        return batch
    }
}

extension Origin {
    fileprivate static func random(using random: inout some RandomNumberGenerator) -> Origin {
        var origin = Origin(
            uncertainty: UInt32.random(in: 0...5_000, using: &random),
            clock: ClockState.allCases.randomElement(using: &random) ?? .good)
        origin.isRedelivered = Bool.random(using: &random)
        guard Bool.random(using: &random) else { return origin }
        let words = (0..<Int.random(in: 0...9, using: &random)).map { _ in UInt16.random(in: 0 ... .max, using: &random)
        }
        origin.provenance = Provenance(
            mapHash: "c0ffee", spans: [Provenance.Span(table: "holding", address: .max, words: words)])
        return origin
    }
}

extension Reading {
    fileprivate static func random(
        _ time: Timestamp, _ batch: inout Batch, using random: inout some RandomNumberGenerator
    ) -> Reading {
        let value: Value =
            switch Int.random(in: 0...5, using: &random) {
            case 0: .none
            case 1: .number(Double.random(in: -1e9...1e9, using: &random))
            case 2: .single(Float.random(in: -1e3...1e3, using: &random))
            case 3: .integer(Int64.random(in: .min ... .max, using: &random))
            case 4: .boolean(Bool.random(using: &random))
            default: batch.text("text \(Int.random(in: 0...9, using: &random))")
            }
        return Reading(
            series: SeriesNumber(
                raw: Int32.random(in: 0...9, using: &random) * (Bool.random(using: &random) ? 500 : 1)),
            time: time.advanced(byMicroseconds: Int64.random(in: -5...5, using: &random)), value: value,
            quality: Quality.allCases.randomElement(using: &random) ?? .good,
            reason: Reason.allCases.randomElement(using: &random) ?? .none)
    }
}
