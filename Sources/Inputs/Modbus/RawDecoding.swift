// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What registers would say, were they laid out in another way: for maps that are being written.
public struct RawDecoding: Sendable, Equatable {
    /// As it goes over the wire: counted from zero.
    public var address: Int
    public var type: RegisterType
    public var order: ByteOrder
    public var words: [UInt16]
    /// As the point's scale and offset have it.
    public var value: Double
    /// How likely a measured value is to look like this, 0 to 100.
    public var score: Int

    private static let types: [RegisterType] = [
        .int16, .uint16, .int32, .uint32, .float32, .int64, .uint64, .float64, .bcd16, .bcd32,
    ]

    /// Every decoding of a point that gives a number, the likeliest first: each type in each order, at its address, at the
    /// one before and at the one after, for manuals count registers from 0 and from 1.
    /// - Parameter words: by address; those that could not be read are not there.
    public static func all(of point: Point, _ source: RegisterSource, words: [Int: UInt16]) -> [RawDecoding] {
        let own = Int(source.address)
        let found = [own, own - 1, own + 1].flatMap { address in
            types.flatMap { type in
                orders(of: type).compactMap { order in
                    decoding(point, address, RegisterLayout(type: type, order: order), words)
                }
            }
        }
        // Of equals the one nearest to the map goes first.
        return found.enumerated().sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }.map(
            \.element)
    }

    /// A single register has no order of registers.
    private static func orders(of type: RegisterType) -> [ByteOrder] {
        type.registers == 1 ? [.ABCD, .BADC] : ByteOrder.allCases
    }

    private static func decoding(
        _ point: Point, _ address: Int, _ layout: RegisterLayout, _ words: [Int: UInt16]
    ) -> RawDecoding? {
        let span = address..<(address + layout.registers)
        let own = span.compactMap { words[$0] }
        var batch = Batch()
        guard own.count == span.count,
            let raw = own.withUnsafeBufferPointer({ layout.decode($0, absent: [], into: &batch) }).value.asNumber
        else { return nil }
        let value = point.conversion.scaled(raw)
        guard value.isFinite else { return nil }
        return RawDecoding(
            address: address, type: layout.type, order: layout.order, words: own, value: value,
            score: score(value, layout.type, point.range) - rarity(layout.order))
    }

    /// Few devices swap the bytes of a register.
    private static func rarity(_ order: ByteOrder) -> Int {
        switch order {
        case .ABCD, .CDAB: 0
        case .DCBA: 5
        case .BADC: 10
        }
    }

    /// What a measured value looks like: it is in its range, of a size that people give units to, and not a random pattern.
    private static func score(_ value: Double, _ type: RegisterType, _ range: ClosedRange<Double>?) -> Int {
        var score = 0
        if let range { score += range.contains(value) ? 50 : 0 } else { score += 25 }
        switch abs(value) {
        // Zeros look like zero in every way.
        case 0: score += 15
        case 0.01...10_000: score += 35
        case 0.000_1...10_000_000: score += 15
        default: break
        }
        // A float whose pattern is random is seldom of a usual size; an integer of many bits that is small has zeros in front.
        let isTelling = type == .float32 || type == .float64 || (type.registers > 1 && abs(value) < 10_000_000)
        return score + (isTelling && value != 0 && (0.000_1...10_000_000).contains(abs(value)) ? 15 : 0)
    }
}
