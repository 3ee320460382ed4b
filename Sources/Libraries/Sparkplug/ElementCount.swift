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
            guard content(tag, &rest) != nil else { return false }
        }
        return false
    }

    private mutating func count(_ bytes: ArraySlice<UInt8>, _ message: Message, depth: Int) -> Bool {
        guard depth <= Self.deepest else { return false }
        var rest = bytes
        while !rest.isEmpty {
            guard let tag = Self.varint(&rest), let inner = Self.content(tag, &rest) else { return false }
            guard tag & 7 == Self.withLength, let element = message.element(tag >> 3) else { continue }
            if element == nil { properties += 1 } else { metrics += 1 }
            guard metrics <= Self.mostMetrics, properties <= Self.mostProperties else { return false }
            if let element, !count(inner, element, depth: depth + 1) { return false }
        }
        return true
    }

    /// The wire type of texts, bytes and messages.
    private static let withLength: UInt64 = 2

    /// The bytes behind a tag, without their length; nil if they are cut off, or of a type that nothing here has.
    private static func content(_ tag: UInt64, _ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let length: UInt64
        switch tag & 7 {
        case 0:
            let whole = rest
            guard varint(&rest) != nil else { return nil }
            return whole.prefix(whole.count - rest.count)
        case 1: length = 8
        case withLength:
            guard let written = varint(&rest) else { return nil }
            length = written
        case 5: length = 4
        default: return nil
        }
        guard length <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(length)) }
        return rest.prefix(Int(length))
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
