// Headgate
// SPDX-License-Identifier: Apache-2.0

/// An address of this machine that a device dials, and which device that may be.
public struct DialInPort: Sendable, Equatable {
    /// Registers by which a device is known, such as those of its serial number.
    public struct Identity: Sendable, Equatable {
        public var unit: UInt8
        public var table: ModbusTable
        public var address: UInt16
        /// What they hold.
        public var words: [UInt16]

        public init(unit: UInt8, table: ModbusTable, address: UInt16, words: [UInt16]) {
            self.unit = unit
            self.table = table
            self.address = address
            self.words = words
        }
    }

    public var host: String
    public var port: UInt16
    /// Whether its frames are those of a serial line.
    public var isRTU: Bool
    /// Where it may dial from; empty for anywhere.
    public var ranges: [NetworkRange]
    public var identity: Identity?

    public init(
        host: String, port: UInt16, isRTU: Bool, ranges: [NetworkRange] = [], identity: Identity? = nil
    ) {
        self.host = host
        self.port = port
        self.isRTU = isRTU
        self.ranges = ranges
        self.identity = identity
    }

    /// Whether only this machine can dial it.
    public var isLoopback: Bool { host == "localhost" || NetworkAddress(host)?.isLoopback ?? false }
}
