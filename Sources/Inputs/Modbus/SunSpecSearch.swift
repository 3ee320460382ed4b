// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// What a SunSpec device says that it has.
public struct SunSpecFound: Codable, Sendable, Equatable {
    public struct Model: Codable, Sendable, Equatable {
        public var number: Int
        /// Of its number and length, which its points follow.
        public var address: Int
        /// Registers.
        public var length: Int
    }

    /// In their order; empty where it speaks no SunSpec.
    public var models: [Model] = []
    /// The registers of the first model, where that is the common one: who made it, and what it is.
    public var common: [UInt16] = []
}

/// Asks a SunSpec device what it has: where it begins, its models one behind the other, and who made it (SunSpec
/// Information Model Specification, 3.3). Pure: says what is to be read, and is given what was.
struct SunSpecSearch: Codable, Sendable {
    private enum Place: Codable, Sendable {
        /// One of `bases`.
        case base(Int)
        case model(Int)
        case common
        case end
    }

    private static let bases = [40_000, 50_000, 0]
    private static let sunS: [UInt16] = [0x5375, 0x6E53]
    private static let mostModels = 64

    private(set) var found = SunSpecFound()
    private var place = Place.base(0)
    /// How many of the places where devices begin are still to be looked at, the one in hand included.
    private var left = bases.count

    /// What is to be read next, from the holding registers; nil once all is known.
    var request: ReadRequest? {
        switch place {
        case .base(let index): Self.read(Self.bases[index % Self.bases.count], 2)
        case .model(let address): Self.read(address, 2)
        case .common: found.models.first.flatMap { Self.read($0.address + 2, min($0.length, 66)) }
        case .end: nil
        }
    }

    /// Begins anew after silence: some devices say nothing where they have nothing, so that it is not there that they begin.
    mutating func restart() {
        let next = if case .base(let index) = place { index + 1 } else { 0 }
        self = SunSpecSearch()
        place = .base(next % Self.bases.count)
    }

    /// False of one that was not kept by a scan, or is damaged.
    var isSound: Bool {
        let addresses = 0...65_535
        let isPlace =
            switch place {
            case .base(let index): Self.bases.indices.contains(index)
            case .model(let address): addresses.contains(address)
            case .common, .end: true
            }
        return isPlace && (0...Self.bases.count).contains(left)
            && found.models.allSatisfy { addresses.contains($0.address) && addresses.contains($0.length) }
    }

    private static func read(_ address: Int, _ count: Int) -> ReadRequest? {
        guard count > 0, let start = UInt16(exactly: address), address + count <= 65_536 else { return nil }
        return ReadRequest(table: .holding, address: start, count: count, points: [])
    }

    /// Goes on with what was read.
    /// - Parameter words: nil where the device refuses it.
    mutating func take(_ words: [UInt16]?) {
        switch place {
        case .base(let index):
            left -= 1
            if words == Self.sunS {
                place = .model(Self.bases[index % Self.bases.count] + 2)
            } else {
                place = left > 0 ? .base((index + 1) % Self.bases.count) : .end
            }
        case .model(let address): take(model: words ?? [], at: address)
        case .common:
            found.common = words ?? []
            place = .end
        case .end: break
        }
        // A device that says that it goes on beyond the last register there can be.
        if request == nil { place = .end }
    }

    private mutating func take(model words: [UInt16], at address: Int) {
        guard words.count == 2, words[0] != 0xFFFF, words[0] != 0, found.models.count < Self.mostModels,
            address + 2 + Int(words[1]) <= 65_536
        else {
            place = found.models.first?.number == 1 ? .common : .end
            return
        }
        found.models.append(SunSpecFound.Model(number: Int(words[0]), address: address, length: Int(words[1])))
        place = .model(address + 2 + Int(words[1]))
    }
}
