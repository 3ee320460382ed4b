// Headgate
// SPDX-License-Identifier: Apache-2.0

import CGlibc
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
    case dialIn(DialInPort)

    public var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .rtuOverTCP(let host, let port): "\(host):\(port) (RTU)"
        case .serial(let line): line.device
        case .dialIn(let dialled): "\(dialled.host):\(dialled.port) (dial-in\(dialled.isRTU ? ", RTU" : ""))"
        }
    }

    public var isSerial: Bool {
        if case .serial = self { true } else { false }
    }

    /// Whether its answers say which request they are to. On a line the last one that is late can be taken for the next.
    public var numbersAnswers: Bool {
        switch self {
        case .tcp: true
        case .rtuOverTCP, .serial: false
        case .dialIn(let dialled): !dialled.isRTU
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
    private let answersAs: AnsweringUnit
    private var reader = AnswerReader()
    /// Of the last request over TCP.
    private var transaction: UInt16 = 0

    /// - Parameters:
    ///   - timeout: the longest wait for an answer, in microseconds, beside the time that it takes on a line.
    ///   - answersAs: which unit may answer.
    public init(
        _ endpoint: ModbusEndpoint, timeout: UInt32, answersAs: AnsweringUnit = .asked
    ) throws(ModbusError) {
        let made: OpaquePointer? =
            switch endpoint {
            case .tcp(let host, let port): modbus_new_tcp_pi(host, String(port))
            case .dialIn(let dialled) where !dialled.isRTU: modbus_new_tcp_pi(dialled.host, String(dialled.port))
            // A line that is never opened: the frames go through a socket of ours.
            case .rtuOverTCP, .dialIn:
                modbus_new_rtu("tcp", 9_600, SerialLine.Parity.none.letter, 8, 1)
            case .serial(let line):
                // It knows some speeds only, and takes any other for 9,600: the right one is set once it is open.
                modbus_new_rtu(line.device, 9_600, line.parity.letter, line.dataBits, line.stopBits)
            }
        guard let made else { throw ModbusError(code: errno) }
        context = made
        self.endpoint = endpoint
        self.timeout = timeout
        self.answersAs = answersAs
        modbus_set_response_timeout(context, timeout / 1_000_000, timeout % 1_000_000)
    }

    deinit {
        modbus_close(context)
        modbus_free(context)
    }

    public func connect() throws(ModbusError) {
        switch endpoint {
        // libmodbus gives one and the same error for a host that is not known, one that refuses and one that is silent.
        case .tcp(let host, let port), .rtuOverTCP(let host, let port):
            modbus_set_socket(context, try TCPSocket.connect(host: host, port: port, timeout: timeout))
        case .serial(let line):
            guard modbus_connect(context) == 0 else {
                throw errno == ENOTTY ? .noTerminal(line.device) : ModbusError(code: errno)
            }
            try setSpeed(line.baud)
        case .dialIn: throw ModbusError(code: ENOTCONN)
        }
    }

    /// Adapters make the nearest speed that they can; beyond 2 % bytes are no longer understood.
    private func setSpeed(_ baud: Int32) throws(ModbusError) {
        let speed = Int64(set_line_speed(modbus_get_socket(context), UInt32(clamping: baud)))
        guard abs(speed - Int64(baud)) * 50 <= Int64(baud) else {
            throw ModbusError(wanted: baud, speed: Int32(clamping: speed))
        }
    }

    /// Takes a connection that somebody else has made.
    public func adopt(_ descriptor: Int32) {
        modbus_set_socket(context, descriptor)
    }

    public func close() {
        modbus_close(context)
    }

    /// The unit whose answer was refused last, as another was asked.
    public var otherUnit: UInt8? { reader.otherUnit }

    /// Whether anything came since the last request was sent.
    public var hasReceived: Bool { reader.hasReceived }

    // MARK: Requests

    private var isTCP: Bool { endpoint.numbersAnswers }

    /// Reads registers or bits.
    /// - Parameters:
    ///   - bytes: how many the answer carries.
    ///   - mayOweAnswers: whether an answer to an earlier request may still come, of which an exception cannot be told.
    ///   - take: is given those bytes.
    public mutating func read(
        _ table: ModbusTable, of unit: UInt8, at address: UInt16, count: Int, bytes: Int, mayOweAnswers: Bool,
        take: (UnsafeBufferPointer<UInt8>) -> Void
    ) throws(ModbusError) {
        let body = [table.function] + Self.bytes(address) + Self.bytes(UInt16(clamping: count))
        try exchange(
            unit, body, .data(function: table.function, bytes: bytes), mayOweAnswers: mayOweAnswers
        ) { take(UnsafeBufferPointer(rebasing: $0[2...])) }
    }

    /// Writes registers from `address` on (functions 6 and 16; ibid., 6.6 and 6.12).
    /// - Parameter usesMultiple: whether one register goes by the function for several.
    public mutating func writeRegisters(
        _ words: [UInt16], of unit: UInt8, at address: UInt16, usesMultiple: Bool
    ) throws(ModbusError) {
        var body: [UInt8]
        if words.count == 1, !usesMultiple {
            body = [6] + Self.bytes(address) + Self.bytes(words[0])
        } else {
            body = [16] + Self.bytes(address) + Self.bytes(UInt16(clamping: words.count))
            body += [UInt8(clamping: words.count * 2)] + words.flatMap(Self.bytes)
        }
        try exchange(unit, body, .repeated(Array(body.prefix(5)))) { _ in }
    }

    /// Writes a coil (functions 5 and 15; ibid., 6.5 and 6.11).
    public mutating func writeCoil(
        _ value: Bool, of unit: UInt8, at address: UInt16, usesMultiple: Bool
    ) throws(ModbusError) {
        let body =
            usesMultiple
            ? [15] + Self.bytes(address) + [0, 1, 1, value ? 1 : 0]
            : [5] + Self.bytes(address) + [value ? 0xFF : 0, 0]
        try exchange(unit, body, .repeated(Array(body.prefix(5)))) { _ in }
    }

    private static func bytes(_ word: UInt16) -> [UInt8] { [UInt8(word >> 8), UInt8(word & 0xFF)] }

    private mutating func exchange(
        _ unit: UInt8, _ body: [UInt8], _ shape: AnswerShape, mayOweAnswers: Bool = false,
        take: (UnsafeBufferPointer<UInt8>) -> Void
    ) throws(ModbusError) {
        let descriptor = modbus_get_socket(context)
        reader.begin()
        var wanted = AnswerReader.Wanted(unit: unit, answersAs: answersAs, shape: shape, deadline: .now)
        if isTCP {
            transaction &+= 1
            wanted.transaction = transaction
            // What a modem says of itself now and then stands between frames.
            if endpoint.isDialIn { reader.clear(descriptor, isSerial: false) }
            try send(descriptor, unit, body)
        } else {
            reader.clear(descriptor, isSerial: endpoint.isSerial)
            wanted.waitsBehindExceptions = mayOweAnswers
            wanted.sent = [unit] + body
            guard modbus_send_raw_request(context, wanted.sent, Int32(wanted.sent.count)) >= 0 else {
                throw ModbusError(code: errno)
            }
            wanted.sent += AnswerReader.checksum(wanted.sent)
        }
        wanted.deadline = .now + .microseconds(Int64(timeout) + wireTime(wanted.sent.count + shape.length + 3))
        try reader.read(descriptor, wanted, isTCP: isTCP, isSerial: endpoint.isSerial, take: take)
    }

    /// Whether the other end of a socket has closed or reset it.
    public var isClosedByPeer: Bool {
        var byte: UInt8 = 0
        let flags = Int32(truncatingIfNeeded: MSG_PEEK) | Int32(truncatingIfNeeded: MSG_DONTWAIT)
        let found = recv(modbus_get_socket(context), &byte, 1, flags)
        return found == 0 || found < 0 && errno != EAGAIN && errno != EINTR
    }

    /// libmodbus numbers what it sends only where it takes the answer itself.
    private func send(_ descriptor: Int32, _ unit: UInt8, _ body: [UInt8]) throws(ModbusError) {
        let frame = Self.bytes(transaction) + [0, 0] + Self.bytes(UInt16(body.count + 1)) + [unit] + body
        let sent = Glibc.send(descriptor, frame, frame.count, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
        guard sent == frame.count else { throw ModbusError(code: sent < 0 ? errno : ECONNRESET) }
    }

    /// How long bytes take on the line, in microseconds; nothing to speak of over TCP.
    private func wireTime(_ bytes: Int) -> Int64 {
        guard case .serial(let line) = endpoint else { return 0 }
        let bits = 1 + Int64(line.dataBits) + (line.parity == .none ? 0 : 1) + Int64(line.stopBits)
        return Int64(bytes) * bits * 1_000_000 / Int64(max(line.baud, 1))
    }
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
