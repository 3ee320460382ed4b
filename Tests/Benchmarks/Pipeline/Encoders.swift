// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Zstd

/// What it costs, on one core, to write events of the plant as they leave: readings a second, and the bytes of one.
struct Encoders {
    struct Figures {
        var readingsASecond: Double
        /// Of one reading, a thousand events together compressed with zstd and not.
        var bytes: Double
        var compressed: Double
    }

    private let catalog = Catalog()
    private var batches: [Batch] = []

    /// Numbers in single precision, as registers have them, a little different each second.
    init() {
        var noise: UInt64 = 0x9E37_79B9_7F4A_7C15
        for second in 0..<20 {
            for device in 0..<Plant.devices {
                let number = catalog.number(
                    of: Device(
                        id: "meter-\(device)", map: "plant", mapVersion: 1, tags: [.init(name: "line", value: "A")]))
                var batch = Batch()
                let time = Timestamp(microseconds: 1_795_251_600_000_000 + Int64(second * 1_000_000 + device * 613))
                for point in 0..<Plant.points {
                    noise ^= noise << 13
                    noise ^= noise >> 7
                    noise ^= noise << 17
                    let series = catalog.number(
                        of: Series(device: number, point: "value_\(point)", unit: "V", lane: .normal))
                    batch.readings.append(
                        Reading(series: series, time: time, value: .single(230 + Float(noise % 100) * 0.05)))
                }
                batch.closeTelemetry(device: number, time: time)
                batches.append(batch)
            }
        }
    }

    func json(seconds: Double) -> Figures {
        var encoder = EventJSON(gateway: "plant-1", catalog: catalog)
        return measure(seconds) { event, batch, _, out in
            encoder.writeData(event, of: batch, isReplayed: false, to: &out)
        }
    }

    func avro(seconds: Double) -> Figures {
        let fields = (0..<Plant.points).map { PointField(point: "value_\($0)", unit: "V", form: .single) }
        var encoder = EventAvro(gateway: "plant-1", catalog: catalog, fields: ["plant": fields])
        return measure(seconds) { event, batch, sequence, out in
            out.byte(0)
            out.fixed32(1)
            encoder.write(
                event, of: batch, id: "plant-1/5f0c2e9a71b3d846/normal/\(sequence)", isReplayed: false, to: &out)
        }
    }

    /// In blocks of a thousand events.
    func block(seconds: Double) -> Figures {
        var block = EventBlock(gateway: "plant-1", catalog: catalog)
        return measure(seconds) { event, batch, sequence, out in
            let id = EventID(epoch: 0x5f0c_2e9a_71b3_d846, lane: .normal, sequence: UInt64(sequence))
            _ = block.add(event, of: batch, id: id, isReplayed: false)
            guard sequence % 1_000 == 0 else { return }
            let (head, body) = block.close()
            out.raw(head)
            out.raw(body)
        }
    }

    private func measure(
        _ seconds: Double, _ write: (Batch.Event, Batch, Int, inout ByteWriter) -> Void
    ) -> Figures {
        let clock = ContinuousClock()
        var out = ByteWriter()
        var (sequence, readings) = (0, 0)
        let start = clock.now
        while clock.now - start < .seconds(seconds) {
            out.removeAll()
            for batch in batches {
                sequence += 1
                write(batch.events[0], batch, sequence, &out)
                readings += batch.readings.count
            }
        }
        let spent = (clock.now - start) / .seconds(1)
        let held = Double(batches.count * Plant.points)
        let compressed = (try? Zstd().compress(out.bytes, level: 3)) ?? []
        return Figures(
            readingsASecond: Double(readings) / spent, bytes: Double(out.count) / held,
            compressed: Double(compressed.count) / held)
    }
}
