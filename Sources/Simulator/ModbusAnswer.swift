// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// What a device answers to a request (MODBUS Application Protocol V1.1b3). Pure.
struct ModbusAnswer {
    /// By unit, the devices behind it: maps may be parts of one device.
    private(set) var units: [UInt8: [SimulatedUnit]]

    init(units: [UInt8: [SimulatedUnit]]) {
        self.units = units
    }

    /// The answer to a protocol data unit: function code and what follows it.
    /// - Parameter isLine: on a line an unknown unit stays silent; a TCP endpoint says that it has none.
    mutating func pdu(to request: ArraySlice<UInt8>, unit: UInt8, isLine: Bool, seconds: Double) -> [UInt8]? {
        guard let function = request.first else { return nil }
        // 0 and 255 address the endpoint itself, which is its only device (MODBUS Messaging on TCP/IP V1.0b, 4.4.2.2).
        let alone = units.count == 1 && !isLine && (unit == 0 || unit == 255) ? units.keys.first : nil
        let unit = units[unit] == nil ? alone ?? unit : unit
        guard let devices = units[unit] else {
            return isLine ? nil : [function | 0x80, 0x0B]
        }
        if [5, 6, 15, 16].contains(function) { return write(Array(request), unit) }
        let tables: [UInt8: RegisterTable] = [1: .coil, 2: .discrete, 3: .holding, 4: .input]
        guard let table = tables[function] else { return [function | 0x80, 0x01] }
        let bytes = Array(request)
        guard bytes.count == 5 else { return [function | 0x80, 0x03] }
        let address = Int(bytes[1]) << 8 | Int(bytes[2])
        let count = Int(bytes[3]) << 8 | Int(bytes[4])
        let allowing = devices.filter { (1...$0.limit(of: table)).contains(count) }
        if allowing.isEmpty { return [function | 0x80, 0x03] }
        let answers = allowing.lazy.compactMap { $0.read(table, at: address, count: count, seconds: seconds) }
        guard let words = answers.first else { return [function | 0x80, 0x02] }
        let data = table.holdsBits ? Self.packed(words) : words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        return [function, UInt8(data.count)] + data
    }

    /// Functions 5, 6, 15 and 16 (ibid., 6.5, 6.6, 6.11 and 6.12).
    private mutating func write(_ request: [UInt8], _ unit: UInt8) -> [UInt8] {
        let function = request[0]
        let isCoil = function == 5 || function == 15
        let isSingle = function < 15
        guard request.count >= (isSingle ? 5 : 6), isSingle ? request.count == 5 : request.count == 6 + Int(request[5])
        else { return [function | 0x80, 0x03] }
        func word(_ place: Int) -> UInt16 { UInt16(request[place]) << 8 | UInt16(request[place + 1]) }
        let address = Int(word(1))
        var words: [UInt16]
        if isSingle {
            words = [isCoil ? (word(3) == 0xFF00 ? 1 : 0) : word(3)]
        } else if isCoil {
            words = (0..<min(Int(word(3)), (request.count - 6) * 8)).map {
                UInt16(request[6 + $0 / 8] >> UInt8($0 % 8) & 1)
            }
        } else {
            words = stride(from: 6, to: request.count - 1, by: 2).map(word)
        }
        guard isSingle || words.count == Int(word(3)) else { return [function | 0x80, 0x03] }
        let table = isCoil ? RegisterTable.coil : .holding
        let taken = units[unit]?.indices.first { units[unit]?[$0].write(table, at: address, words) ?? false }
        guard taken != nil else { return [function | 0x80, 0x02] }
        return Array(request.prefix(5))
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
