// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How many elements a payload has, groups' included, counted before any is made: two bytes of a message are hundreds
/// in memory. Reads no more of the wire format than that takes (Protocol Buffers, Encoding).
struct ElementCount {
    private static let mostMetrics = 30_000
    private static let mostProperties = 200_000
    private static let deepest = 16

    private enum Message {
        case payload, metric, template, properties

        /// What a field holds, where it is an element; nil in it where that is none with elements of its own.
        func element(_ field: UInt64) -> Message?? {
            switch (self, field) {
            case (.payload, 2), (.template, 2): .some(.metric)
            case (.metric, 18): .some(.template)
            // Counted as much as a metric is: it takes as much.
            case (.metric, 9): .some(.properties)
            case (.properties, 1), (.properties, 2): .some(nil)
            default: nil
            }
        }
    }

    private var metrics = 0
    private var properties = 0

    /// Whether there are no more than can be taken in; false also where it cannot be told.
    static func isBounded(_ bytes: [UInt8]) -> Bool {
        var counter = ElementCount()
        return counter.count(bytes[...], .payload, depth: 0)
    }

    /// Whether a message has a field, by number, at its own level.
    static func hasField(_ number: UInt64, in bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while let tag = varint(&rest) {
            if tag >> 3 == number { return true }
            switch tag & 7 {
            case 0: guard varint(&rest) != nil else { return false }
            case 1: guard skip(8, &rest) else { return false }
            case 5: guard skip(4, &rest) else { return false }
            case 2:
                guard let length = varint(&rest), length <= UInt64(rest.count) else { return false }
                rest = rest.dropFirst(Int(length))
            default: return false
            }
        }
        return false
    }

    private mutating func count(_ bytes: ArraySlice<UInt8>, _ message: Message, depth: Int) -> Bool {
        guard depth <= Self.deepest else { return false }
        var rest = bytes
        while !rest.isEmpty {
            guard let tag = Self.varint(&rest) else { return false }
            switch tag & 7 {
            case 0: guard Self.varint(&rest) != nil else { return false }
            case 1: guard Self.skip(8, &rest) else { return false }
            case 5: guard Self.skip(4, &rest) else { return false }
            case 2:
                guard let length = Self.varint(&rest), length <= UInt64(rest.count) else { return false }
                let inner = rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
                guard let element = message.element(tag >> 3) else { continue }
                if element == nil { properties += 1 } else { metrics += 1 }
                guard metrics <= Self.mostMetrics, properties <= Self.mostProperties else { return false }
                if let element, !count(inner, element, depth: depth + 1) { return false }
            default: return false
            }
        }
        return true
    }

    private static func skip(_ bytes: Int, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.count >= bytes else { return false }
        rest = rest.dropFirst(bytes)
        return true
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for place in 0..<10 {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << (7 * place)
            if byte < 0x80 { return value }
        }
        return nil
    }
}
