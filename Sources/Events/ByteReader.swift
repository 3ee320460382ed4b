// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Bytes that do not say what they should.
public struct MalformedBytes: Error, Equatable {
    public let expected: String

    public init(expected: String) {
        self.expected = expected
    }
}

/// Reads back what a `ByteWriter` wrote. Bytes from a disk may be anything: every step is checked.
public struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    public var isAtEnd: Bool { position == bytes.count }
    public var remaining: Int { bytes.count - position }

    public mutating func byte() throws(MalformedBytes) -> UInt8 {
        guard position < bytes.count else { throw MalformedBytes(expected: "a byte") }
        defer { position += 1 }
        return bytes[position]
    }

    public mutating func fixed() throws(MalformedBytes) -> UInt64 {
        guard remaining >= 8 else { throw MalformedBytes(expected: "eight bytes") }
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(bytes[position + index]) << (8 * index) }
        position += 8
        return value
    }

    public mutating func varint() throws(MalformedBytes) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            guard shift < 63 || next <= 1 else { throw MalformedBytes(expected: "a number of 64 bits") }
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
            shift += 7
        }
    }

    public mutating func zigzag() throws(MalformedBytes) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: (value >> 1) ^ (0 &- (value & 1)))
    }

    /// A number that counts things each of which takes at least one more byte, so that a damaged one cannot ask for
    /// more memory than there are bytes.
    public mutating func count() throws(MalformedBytes) -> Int {
        let value = try varint()
        guard value <= UInt64(remaining) else { throw MalformedBytes(expected: "a count") }
        return Int(value)
    }

    public mutating func string() throws(MalformedBytes) -> String {
        let count = try count()
        defer { position += count }
        return String(decoding: bytes[position..<(position + count)], as: UTF8.self)
    }

    public mutating func raw(_ count: Int) throws(MalformedBytes) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw MalformedBytes(expected: "\(count) bytes") }
        defer { position += count }
        return bytes[position..<(position + count)]
    }
}
