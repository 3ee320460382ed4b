// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Zstd

/// What a reading takes in a block of a thousand events, beside how little it can take: the entropy of how the steps of
/// times and of values differ, H(ΔΔt) + H(Δv), each by itself.
///
/// One point a second, its times off by up to 5 ms either way.
struct Blocks {
    enum Signal: String, CaseIterable {
        /// A walk in tenths of a degree.
        case temperature
        /// A walk in whole beats.
        case heart
        /// A bit that changes once in a thousand seconds.
        case status
        /// Sixteen bits without rhyme or reason.
        case noise
    }

    private static let count = 100_000
    private static let window = 1_000

    private var random: UInt64 = 0x9E37_79B9_7F4A_7C15
    private let catalog = Catalog()

    /// Bytes of a reading in blocks, and at the least.
    mutating func bytes(of signal: Signal) -> (block: Double, bound: Double) {
        let device = catalog.number(of: Device(id: "bed-4", map: "monitor", mapVersion: 1, tags: []))
        let series = catalog.number(of: Series(device: device, point: signal.rawValue, unit: "1", lane: .normal))
        let times = (0..<Self.count).map { 1_795_251_600_000 + Int64($0) * 1_000 + next(11) - 5 }
        let values = self.values(of: signal)
        var block = EventBlock(gateway: "ward-2", catalog: catalog)
        var size = 0
        for place in 0..<Self.count {
            var batch = Batch()
            let time = Timestamp(microseconds: times[place] * 1_000)
            let value = signal == .temperature ? Value.number(Double(values[place]) / 10) : .integer(values[place])
            batch.readings.append(Reading(series: series, time: time, value: value))
            batch.closeTelemetry(device: device, time: time)
            let id = EventID(epoch: 0x5f0c_2e9a_71b3_d846, lane: .normal, sequence: UInt64(place))
            _ = block.add(batch.events[0], of: batch, id: id, isReplayed: false)
            if (place + 1) % Self.window == 0 {
                let (head, body) = block.close()
                for part in [head, body] { size += 4 + ((try? Zstd().compress(part, level: 6)) ?? []).count }
            }
        }
        let bound = Self.entropy(Self.steps(Self.steps(times))) + Self.entropy(Self.steps(values))
        return (Double(size) / Double(Self.count), bound / 8)
    }

    private mutating func values(of signal: Signal) -> [Int64] {
        var value: Int64 = 200
        return (0..<Self.count).map { _ in
            switch signal {
            case .temperature, .heart: value += [-1, 0, 0, 1][Int(next(4))]
            case .status: value = next(1_000) == 0 ? (value == 0 ? 1 : 0) : min(1, value)
            case .noise: value = next(65_536)
            }
            return value
        }
    }

    private mutating func next(_ bound: UInt64) -> Int64 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return Int64(random % bound)
    }

    private static func steps(_ numbers: [Int64]) -> [Int64] { zip(numbers.dropFirst(), numbers).map { $0 - $1 } }

    /// Bits a number, of how often each comes.
    private static func entropy(_ numbers: [Int64]) -> Double {
        let total = Double(numbers.count)
        return numbers.reduce(into: [Int64: Int]()) { $0[$1, default: 0] += 1 }.values.reduce(0) {
            $0 - Double($1) / total * log2(Double($1) / total)
        }
    }
}
