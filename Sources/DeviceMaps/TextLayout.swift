// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How a text lies in registers.
public struct TextLayout: Sendable, Equatable {
    /// Which bytes of each register are characters, in which order.
    public enum Order: Sendable, Equatable {
        /// Two, the upper byte first.
        case asSent
        /// Two, the lower byte first.
        case swapped
        /// One, in the upper byte or in the lower; the other is 0.
        case high, low
    }

    public enum Encoding: Sendable, Equatable { case ascii, utf8, latin1 }

    public var order = Order.asSent
    public var encoding = Encoding.utf8
    /// Bytes that fill up what the text leaves: those at its end are none of it.
    public var padding: [UInt8] = [0x20, 0xFF]

    public init() {}

    /// Reads a text: up to the first zero, without the padding at its end. Nil where its bytes are no text in the encoding,
    /// or lie otherwise than `order` says: a text of one character a register is none with two.
    public func text(_ words: some Collection<UInt16>) -> String? {
        var bytes: [UInt8] = []
        for word in words {
            let (high, low) = (UInt8(word >> 8), UInt8(word & 0xFF))
            switch order {
            case .asSent: bytes += [high, low]
            case .swapped: bytes += [low, high]
            case .high:
                guard low == 0 || padding.contains(low) else { return nil }
                bytes.append(high)
            case .low:
                guard high == 0 || padding.contains(high) else { return nil }
                bytes.append(low)
            }
        }
        if order == .asSent || order == .swapped, Self.hasOneInEach(bytes) { return nil }
        if let end = bytes.firstIndex(of: 0) { bytes.removeSubrange(end...) }
        while let last = bytes.last, padding.contains(last) { bytes.removeLast() }
        return decoded(bytes)
    }

    /// Lays a text out in registers, what `text` undoes; nil where they cannot hold it.
    public func registers(of text: String, count: Int) -> [UInt16]? {
        guard let bytes = encoded(text) else { return nil }
        func byte(_ place: Int) -> UInt16 { bytes.indices.contains(place) ? UInt16(bytes[place]) : 0 }
        let words = (0..<count).map { index in
            switch order {
            case .asSent: byte(2 * index) << 8 | byte(2 * index + 1)
            case .swapped: byte(2 * index + 1) << 8 | byte(2 * index)
            case .high: byte(index) << 8
            case .low: byte(index)
            }
        }
        return self.text(words) == text ? words : nil
    }

    private func encoded(_ text: String) -> [UInt8]? {
        switch encoding {
        case .ascii: return text.utf8.allSatisfy { $0 < 0x80 } ? Array(text.utf8) : nil
        case .utf8: return Array(text.utf8)
        case .latin1:
            let bytes = text.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
            return bytes.count == text.unicodeScalars.count ? bytes : nil
        }
    }

    /// Whether bytes of two in each register are one character in each: the first is missing, or every second one.
    private static func hasOneInEach(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 1 else { return false }
        if bytes[0] == 0, bytes[1] != 0 { return true }
        let used = bytes.indices.filter { bytes[$0] != 0 }
        return used.count > 1 && used.allSatisfy { $0.isMultiple(of: 2) }
    }

    private func decoded(_ bytes: [UInt8]) -> String? {
        switch encoding {
        case .ascii: return bytes.allSatisfy { $0 < 0x80 } ? String(decoding: bytes, as: UTF8.self) : nil
        case .utf8: return String(validating: bytes, as: UTF8.self)
        // The first 256 characters of Unicode are those of ISO 8859-1.
        case .latin1: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        }
    }
}
