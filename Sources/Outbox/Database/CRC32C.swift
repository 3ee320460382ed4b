// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The Castagnoli checksum (RFC 3720, appendix B.4), which finds any three flipped bits in a block of ours.
struct CRC32C {
    private var state: UInt32 = .max

    private static let table: [UInt32] = (0..<256).map { index in
        // The polynomial 0x1EDC6F41, its bits reversed.
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    mutating func add(_ bytes: [UInt8]) {
        var state = state
        Self.table.withUnsafeBufferPointer { table in
            for byte in bytes { state = table[Int((state ^ UInt32(byte)) & 0xFF)] ^ state >> 8 }
        }
        self.state = state
    }

    var value: UInt32 { ~state }

    static func of(_ bytes: [UInt8]) -> UInt32 {
        var checksum = CRC32C()
        checksum.add(bytes)
        return checksum.value
    }
}
