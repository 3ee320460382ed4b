// Headgate
// SPDX-License-Identifier: Apache-2.0

import CModbus
import Glibc

/// One of the four tables of a Modbus device (MODBUS Application Protocol V1.1b3, 4.3).
public enum ModbusTable: Sendable {
    case coil, discrete, input, holding

    /// The code of the function that reads it (ibid., 6.1 to 6.4).
    fileprivate var function: UInt8 {
        switch self {
        case .coil: 1
        case .discrete: 2
        case .holding: 3
        case .input: 4
        }
    }
}

/// How a serial line is set up.
public struct SerialLine: Sendable, Equatable {
    public enum Parity: String, Sendable, CaseIterable { case none, even, odd }

    public var device: String
    public var baud: Int32
    public var parity: Parity
    public var dataBits: Int32
    public var stopBits: Int32

    public init(device: String, baud: Int32, parity: Parity, dataBits: Int32, stopBits: Int32) {
        self.device = device
        self.baud = baud
        self.parity = parity
        self.dataBits = dataBits
        self.stopBits = stopBits
    }
}

/// Where a link's devices are reached.
public enum ModbusEndpoint: Sendable, Equatable, CustomStringConvertible {
    case tcp(host: String, port: UInt16)
    /// Frames of a line through a converter that does not know what they are.
    case rtuOverTCP(host: String, port: UInt16)
    case serial(SerialLine)
    /// An address of this machine that a device dials.
    case dialIn(host: String, port: UInt16, isRTU: Bool)

    public var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .rtuOverTCP(let host, let port): "\(host):\(port) (RTU)"
        case .serial(let line): line.device
        case .dialIn(let host, let port, let isRTU): "\(host):\(port) (dial-in\(isRTU ? ", RTU" : ""))"
        }
    }

    public var isSerial: Bool {
        if case .serial = self { true } else { false }
    }

    /// Whether its answers say which request they are to. On a line the last one that is late can be taken for the next.
    public var numbersAnswers: Bool {
        switch self {
        case .tcp, .dialIn(_, _, isRTU: false): true
        case .rtuOverTCP, .serial, .dialIn: false
        }
    }

    /// Whether devices come to us.
    public var isDialIn: Bool {
        if case .dialIn = self { true } else { false }
    }
}

/// A libmodbus context: one line or endpoint that carries one request at a time.
///
/// Owns the context and frees it. Every call may block for the response timeout.
public struct ModbusContext: ~Copyable {
    private let context: OpaquePointer
    private let endpoint: ModbusEndpoint
    private let timeout: UInt32

    /// - Parameter timeout: the longest wait for an answer, in microseconds.
    public init(_ endpoint: ModbusEndpoint, timeout: UInt32) throws(ModbusError) {
        let made: OpaquePointer? =
            switch endpoint {
            case .tcp(let host, let port), .dialIn(let host, let port, isRTU: false):
                modbus_new_tcp_pi(host, String(port))
            // A line that is never opened: the frames go through a socket of ours.
            case .rtuOverTCP, .dialIn(_, _, isRTU: true):
                modbus_new_rtu("tcp", 9_600, SerialLine.Parity.none.letter, 8, 1)
            case .serial(let line):
                modbus_new_rtu(line.device, line.baud, line.parity.letter, line.dataBits, line.stopBits)
            }
        guard let made else { throw ModbusError(code: errno) }
        context = made
        self.endpoint = endpoint
        self.timeout = timeout
        modbus_set_response_timeout(context, timeout / 1_000_000, timeout % 1_000_000)
        // Without a limit from byte to byte, that for the answer is for all of it: one that drips holds nobody up.
        modbus_set_byte_timeout(context, 0, 0)
        // libmodbus' own recovery sleeps another response timeout inside the failed call; flushing and connecting
        // again are done by the caller, who knows whose turn it is.
        modbus_set_error_recovery(context, MODBUS_ERROR_RECOVERY_NONE)
    }

    deinit {
        modbus_close(context)
        modbus_free(context)
    }

    public func connect() throws(ModbusError) {
        if case .rtuOverTCP(let host, let port) = endpoint {
            modbus_set_socket(context, try TCPSocket.connect(host: host, port: port, timeout: timeout))
            return
        }
        guard modbus_connect(context) == 0 else { throw ModbusError(code: errno) }
    }

    /// Takes a connection that somebody else has made.
    public func adopt(_ descriptor: Int32) {
        modbus_set_socket(context, descriptor)
    }

    public func close() {
        modbus_close(context)
    }

    /// Throws away what came in too late for the request it answers.
    public func flush() {
        if endpoint.isSerial {
            modbus_flush(context)
            return
        }
        withUnsafeTemporaryAllocation(byteCount: 1_024, alignment: 1) { waste in
            // One that never stops sending is told by its answers, not here.
            for _ in 0..<64
            where recv(modbus_get_socket(context), waste.baseAddress, waste.count, Int32(MSG_DONTWAIT)) <= 0 { return }
        }
    }

    /// Waits on for the answer to the last request, after a frame that answered something else: it may be behind it.
    /// - Parameters:
    ///   - bytes: how many the answer carries.
    ///   - microseconds: the longest this takes.
    ///   - take: is given those bytes.
    public func awaitAnswer(
        _ table: ModbusTable, of unit: UInt8, bytes: Int, microseconds: UInt32,
        take: (UnsafeBufferPointer<UInt8>) -> Void
    ) throws(ModbusError) {
        let end = ContinuousClock.now + .microseconds(microseconds)
        defer { modbus_set_response_timeout(context, timeout / 1_000_000, timeout % 1_000_000) }
        var frame = [UInt8](repeating: 0, count: Int(MODBUS_MAX_ADU_LENGTH))
        while case let left = ContinuousClock.now.duration(to: end) / .microseconds(1), left >= 1 {
            modbus_set_response_timeout(context, UInt32(left) / 1_000_000, UInt32(left) % 1_000_000)
            let length = Int(modbus_receive_confirmation(context, &frame))
            // A frame of another unit.
            if length == 0 { continue }
            guard length > 0 else {
                let error = ModbusError(code: errno)
                guard error.kind == .garbled else { throw error }
                continue
            }
            guard frame[0] == unit else { continue }
            if frame[1] == table.function | 0x80 { throw ModbusError(exception: frame[2]) }
            guard frame[1] == table.function, Int(frame[2]) == bytes, length == bytes + 5 else { continue }
            frame.withUnsafeBufferPointer { take(UnsafeBufferPointer(rebasing: $0[3..<(3 + bytes)])) }
            return
        }
        throw ModbusError(code: ETIMEDOUT)
    }

    public func select(unit: UInt8) throws(ModbusError) {
        guard modbus_set_slave(context, Int32(unit)) == 0 else { throw ModbusError(code: errno) }
    }

    /// Reads `count` registers from `address` into `words`, which must have room for them.
    public func readRegisters(
        _ table: ModbusTable, at address: UInt16, count: Int, into words: UnsafeMutableBufferPointer<UInt16>
    ) throws(ModbusError) {
        precondition(words.count >= count, "room for every register")
        let read =
            table == .holding
            ? modbus_read_registers(context, Int32(address), Int32(count), words.baseAddress)
            : modbus_read_input_registers(context, Int32(address), Int32(count), words.baseAddress)
        guard read == Int32(count) else { throw ModbusError(code: read == -1 ? errno : Self.badData) }
    }

    /// Reads `count` bits from `address` into `bits`, one byte each.
    public func readBits(
        _ table: ModbusTable, at address: UInt16, count: Int, into bits: UnsafeMutableBufferPointer<UInt8>
    ) throws(ModbusError) {
        precondition(bits.count >= count, "room for every bit")
        let read =
            table == .coil
            ? modbus_read_bits(context, Int32(address), Int32(count), bits.baseAddress)
            : modbus_read_input_bits(context, Int32(address), Int32(count), bits.baseAddress)
        guard read == Int32(count) else { throw ModbusError(code: read == -1 ? errno : Self.badData) }
    }

    /// Writes registers from `address` on (functions 6 and 16; ibid., 6.6 and 6.12).
    /// - Parameter usesMultiple: whether one register goes by the function for several.
    public func writeRegisters(_ words: [UInt16], at address: UInt16, usesMultiple: Bool) throws(ModbusError) {
        let written =
            words.count == 1 && !usesMultiple
            ? modbus_write_register(context, Int32(address), words[0])
            : modbus_write_registers(context, Int32(address), Int32(words.count), words)
        guard written == Int32(words.count) else { throw ModbusError(code: written == -1 ? errno : Self.badData) }
    }

    /// Writes a coil (functions 5 and 15; ibid., 6.5 and 6.11).
    public func writeCoil(_ value: Bool, at address: UInt16, usesMultiple: Bool) throws(ModbusError) {
        let written =
            usesMultiple
            ? modbus_write_bits(context, Int32(address), 1, [value ? 1 : 0])
            : modbus_write_bit(context, Int32(address), value ? 1 : 0)
        guard written == 1 else { throw ModbusError(code: written == -1 ? errno : Self.badData) }
    }

    /// EMBBADDATA, a macro that does not import: the answer's length is not what was asked for.
    private static var badData: Int32 { MODBUS_ENOBASE + 13 }
}

extension SerialLine.Parity {
    var letter: CChar {
        switch self {
        case .none: CChar(UInt8(ascii: "N"))
        case .even: CChar(UInt8(ascii: "E"))
        case .odd: CChar(UInt8(ascii: "O"))
        }
    }
}
