// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// What a device answers to a request (MODBUS Application Protocol V1.1b3). Pure.
struct ModbusAnswer {
    /// By unit.
    let units: [UInt8: SimulatedUnit]

    /// The answer to a protocol data unit: function code and what follows it.
    /// - Parameter isLine: on a line an unknown unit stays silent; a TCP endpoint says that it has none.
    func pdu(to request: ArraySlice<UInt8>, unit: UInt8, isLine: Bool, seconds: Double) -> [UInt8]? {
        guard let function = request.first else { return nil }
        // 0 and 255 address the endpoint itself, which is its only device (MODBUS Messaging on TCP/IP V1.0b, 4.4.2.2).
        let alone = units.count == 1 && !isLine && (unit == 0 || unit == 255) ? units.values.first : nil
        guard let device = units[unit] ?? alone else {
            return isLine ? nil : [function | 0x80, 0x0B]
        }
        let tables: [UInt8: RegisterTable] = [1: .coil, 2: .discrete, 3: .holding, 4: .input]
        guard let table = tables[function] else { return [function | 0x80, 0x01] }
        let bytes = Array(request)
        guard bytes.count == 5 else { return [function | 0x80, 0x03] }
        let address = Int(bytes[1]) << 8 | Int(bytes[2])
        let count = Int(bytes[3]) << 8 | Int(bytes[4])
        guard (1...device.limit(of: table)).contains(count) else { return [function | 0x80, 0x03] }
        guard let words = device.read(table, at: address, count: count, seconds: seconds) else {
            return [function | 0x80, 0x02]
        }
        let data = table.holdsBits ? Self.packed(words) : words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        return [function, UInt8(data.count)] + data
    }

    /// Bits, eight a byte, the first in the lowest.
    private static func packed(_ bits: [UInt16]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (bits.count + 7) / 8)
        for (index, bit) in bits.enumerated() where bit != 0 { bytes[index / 8] |= 1 << UInt8(index % 8) }
        return bytes
    }

    /// The checksum of a serial frame (MODBUS over Serial Line V1.02, 6.2.2).
    static func crc16(_ bytes: some Sequence<UInt8>) -> UInt16 {
        bytes.reduce(0xFFFF) { crc, byte in
            (0..<8).reduce(crc ^ UInt16(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xA001 : value >> 1 }
        }
    }
}
