// Headgate
// SPDX-License-Identifier: Apache-2.0

import CModbus
import Glibc

/// Finds the answer to a request in what arrives at a descriptor.
///
/// libmodbus opens the line, frames and sends. Its receiver takes whatever comes first: it does not compare the unit of an
/// answer over TCP, nor its length with the header's, and on a line it does not find a frame again behind a byte of noise.
/// Here an answer is taken only where unit, function, length and, on a line, checksum are right.
struct AnswerReader: ~Copyable {
    /// What the request was.
    struct Wanted {
        var unit: UInt8
        var answersAs: AnsweringUnit
        var shape: AnswerShape
        /// Of TCP.
        var transaction: UInt16 = 0
        /// An exception may be to an earlier request: the data may be behind it.
        var waitsBehindExceptions = false
        /// The request as it is on the line, which an adapter may send back.
        var sent: [UInt8] = []
        /// When it is too late.
        var deadline: ContinuousClock.Instant
    }

    /// Bytes that came and are not taken yet.
    private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1_024)
    private var count = 0
    /// Whether anything came since the request was sent.
    private(set) var hasReceived = false
    /// The unit of an answer that was refused for it.
    private(set) var otherUnit: UInt8?
    /// Whether the adapter sends back what is sent.
    private(set) var hasEcho = false

    /// On a serial line nothing more comes of a frame that has been silent for so long.
    private static let longestGap = Duration.milliseconds(200)

    init() { buffer.initialize(repeating: 0) }

    deinit { buffer.deallocate() }

    /// Before each request of a line: what came before it answers something else. Of TCP, whose answers are numbered, the
    /// rest of a late one is needed to find the next.
    mutating func clear(_ descriptor: Int32, isSerial: Bool) {
        count = 0
        if isSerial {
            tcflush(descriptor, TCIFLUSH)
            return
        }
        // One that never stops sending is told by its answers, not here.
        for _ in 0..<64
        where recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT)) <= 0 { return }
    }

    mutating func begin() {
        hasReceived = false
        otherUnit = nil
    }

    /// - Parameter take: is given the answer from its function's code on.
    mutating func read<Result>(
        _ descriptor: Int32, _ wanted: Wanted, isTCP: Bool, isSerial: Bool, take: (UnsafeBufferPointer<UInt8>) -> Result
    ) throws(ModbusError) -> Result {
        var exception: UInt8?
        var lastByte: ContinuousClock.Instant?
        var hasSkippedEcho = false
        while true {
            if isTCP {
                if let frame = try nextFrame(wanted) { return finish(frame, take) }
            } else if let found = scan(wanted, &exception, &hasSkippedEcho) {
                return finish(found, take)
            }
            if let exception, !wanted.waitsBehindExceptions { throw ModbusError(exception: exception) }
            let now = ContinuousClock.now
            var end = wanted.deadline
            // On a serial line a silence ends the frame. A network between may hold up any byte, and behind an echo or a byte of
            // noise the unit may still think.
            if isSerial, let lastByte, hasBegun(wanted), !wanted.waitsBehindExceptions {
                end = min(end, lastByte + Self.longestGap)
            }
            guard now < end, try receive(descriptor, until: end) else { break }
            lastByte = .now
        }
        if let exception { throw ModbusError(exception: exception) }
        if otherUnit != nil { throw .otherUnit }
        throw count > 0 && !isTCP ? .garbled : ModbusError(code: ETIMEDOUT)
    }

    private mutating func finish<Result>(_ frame: Range<Int>, _ take: (UnsafeBufferPointer<UInt8>) -> Result) -> Result
    {
        defer { remove(through: frame.upperBound) }
        return take(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(buffer)[frame]))
    }

    private mutating func remove(through end: Int) {
        guard end < count else { return count = 0 }
        for place in end..<count { buffer[place - end] = buffer[place] }
        count -= end
    }

    /// - Returns: false where nothing came in time.
    private mutating func receive(_ descriptor: Int32, until end: ContinuousClock.Instant) throws(ModbusError) -> Bool {
        // What fills the buffer without an answer in it is none.
        if count == buffer.count { throw .garbled }
        while true {
            let left = ContinuousClock.now.duration(to: end) / .milliseconds(1)
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&watched, 1, left > 0 ? Int32(min(left.rounded(.up), 1e9)) : 0)
            if ready == 0 { return false }
            if ready < 0, errno != EINTR { throw ModbusError(code: errno) }
            guard ready > 0 else { continue }
            let came = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            if came > 0 {
                count += came
                hasReceived = true
                return true
            }
            if came == 0 { throw ModbusError(code: ECONNRESET) }
            if errno != EINTR, errno != EAGAIN { throw ModbusError(code: errno) }
        }
    }

    // MARK: TCP

    /// Bytes before a frame's unit: transaction, protocol, length (MODBUS Messaging on TCP/IP V1.0b, 3.1.3).
    private static let head = 6
    /// So many answers may come late.
    private static let mostLate: UInt16 = 1_000

    /// Where the answer lies, from its function's code on; nil where more has to come.
    private mutating func nextFrame(_ wanted: Wanted) throws(ModbusError) -> Range<Int>? {
        while count >= Self.head {
            let transaction = UInt16(buffer[0]) << 8 | UInt16(buffer[1])
            let length = Int(buffer[4]) << 8 | Int(buffer[5])
            // Unit, function and at least a byte; 254 is unit and 253 bytes of PDU.
            guard buffer[2] == 0, buffer[3] == 0, (3...254).contains(length) else { throw .garbled }
            guard count >= Self.head + length else { return nil }
            let body = (Self.head + 1)..<(Self.head + length)
            if transaction != wanted.transaction {
                // To a request before, which nobody waits for any more.
                guard wanted.transaction &- transaction <= Self.mostLate else { throw .garbled }
                remove(through: Self.head + length)
                continue
            }
            let unit = buffer[Self.head]
            guard wanted.answersAs.accepts(unit, asked: wanted.unit) else {
                otherUnit = unit
                remove(through: Self.head + length)
                throw .otherUnit
            }
            let bytes = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(buffer)[body])
            if let code = wanted.shape.exception(bytes) {
                remove(through: Self.head + length)
                throw ModbusError(exception: code)
            }
            guard wanted.shape.matches(bytes) else { throw .garbled }
            return body
        }
        return nil
    }

    // MARK: A line

    /// Whether an answer may have begun behind an echo or noise: with the unit and the function's code.
    private func hasBegun(_ wanted: Wanted) -> Bool {
        let all = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(buffer)[..<count])
        let echo = wanted.sent.count
        let start = echo > 0 && count >= echo && all.prefix(echo).elementsEqual(wanted.sent) ? echo : 0
        return all[start...].indices.dropLast().contains {
            wanted.answersAs.accepts(all[$0], asked: wanted.unit) && wanted.shape.isFunction(all[$0 + 1])
        }
    }

    /// Where the answer lies, from its function's code on, wherever it begins; nil where more has to come.
    private mutating func scan(_ wanted: Wanted, _ exception: inout UInt8?, _ hasSkippedEcho: inout Bool) -> Range<Int>?
    {
        let all = UnsafeBufferPointer(buffer)
        var start = 0
        if case .data = wanted.shape, !wanted.sent.isEmpty {
            let isEcho = count >= wanted.sent.count && all.prefix(wanted.sent.count).elementsEqual(wanted.sent)
            if isEcho {
                hasEcho = true
                start = wanted.sent.count
            }
        }
        while start + 5 <= count {
            let isUnit = wanted.answersAs.accepts(all[start], asked: wanted.unit)
            let length = 1 + wanted.shape.length + 2
            if start + length <= count {
                let body = (start + 1)..<(start + length - 2)
                if wanted.shape.matches(UnsafeBufferPointer(rebasing: all[body])), Self.isWhole(all, start, length) {
                    if isUnit {
                        // Of a write an echo looks like the answer behind it.
                        if case .repeated = wanted.shape, hasEcho, !hasSkippedEcho, start == 0 {
                            hasSkippedEcho = true
                            remove(through: length)
                            return scan(wanted, &exception, &hasSkippedEcho)
                        }
                        if case .data = wanted.shape, start == 0 { hasEcho = false }
                        return body
                    }
                    otherUnit = all[start]
                }
            }
            if isUnit, Self.isWhole(all, start, 5),
                let code = wanted.shape.exception(UnsafeBufferPointer(rebasing: all[(start + 1)..<(start + 3)]))
            {
                exception = exception ?? code
            }
            start += 1
        }
        return nil
    }

    /// Whether a frame's checksum is right (MODBUS over Serial Line V1.02, 6.2.2).
    private static func isWhole(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ length: Int) -> Bool {
        checksum(bytes[start..<(start + length - 2)]).elementsEqual(bytes[(start + length - 2)..<(start + length)])
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var sum: UInt16 = 0xFFFF
        for byte in bytes {
            sum ^= UInt16(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xA001 : sum >> 1 }
        }
        return [UInt8(sum & 0xFF), UInt8(sum >> 8)]
    }
}
