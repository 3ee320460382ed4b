// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Modbus

/// How long a link is busy with one request, in nanoseconds: the price that a plan is the cheapest for.
public struct RequestCost: Sendable, Equatable, Codable {
    /// Of every request, however little it asks for.
    public var request: Int64
    /// Of each byte of data in the answer.
    public var byte: Int64

    public init(request: Int64, byte: Int64) {
        self.request = request
        self.byte = byte
    }

    /// The same of a device that wants pauses, in microseconds.
    func with(pause: Int64) -> RequestCost {
        RequestCost(request: request + pause * 1_000, byte: byte)
    }

    /// - Parameter count: registers, or bits of a table that holds them.
    public func of(_ count: Int, in table: RegisterTable) -> Int64 {
        request + byte * Int64(table.holdsBits ? (count + 7) / 8 : count * 2)
    }
}

extension RequestCost {
    /// What a device takes to answer, where nobody has measured it: few are faster on a line than 5 ms.
    private static let turnaround: Int64 = 5_000_000
    /// There and back over a network at hand, a device included.
    private static let roundTrip: Int64 = 2_000_000
    /// A byte at 100 Mbit/s.
    private static let networkByte: Int64 = 80

    public init(_ endpoint: ModbusEndpoint) {
        switch endpoint {
        case .tcp, .rtuOverTCP, .dialIn: self.init(request: Self.roundTrip, byte: Self.networkByte)
        case .serial(let line):
            // Request: unit, function, address, count, CRC; answer: unit, function, bytes, data, CRC
            // (MODBUS over Serial Line V1.02, 2.5.1; Application Protocol V1.1b3, 6.1).
            let frames = (8 + 5) * line.character
            self.init(request: frames + 2 * line.silence + Self.turnaround, byte: line.character)
        }
    }
}

extension SerialLine {
    /// One character on the line, with its start, parity and stop bits, in nanoseconds.
    public var character: Int64 {
        Int64(1 + dataBits + (parity == .none ? 0 : 1) + stopBits) * 1_000_000_000 / Int64(max(baud, 1))
    }

    /// Between two frames: 3.5 characters of 11 bits, above 19,200 baud 1.75 ms (MODBUS over Serial Line V1.02,
    /// 2.5.1.1). In nanoseconds.
    public var silence: Int64 {
        baud > 19_200 ? 1_750_000 : 7 * 11 * 500_000_000 / Int64(max(baud, 1))
    }
}
