// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Modbus
import Waiting

/// Answers for the devices of one line or endpoint: over TCP, or over a pseudo-terminal that stands where the
/// configuration has its serial line.
///
/// Written without libmodbus, so that the gateway's requests meet a peer that does not share its code.
public actor ModbusServer {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private enum Peer {
        /// - Parameter isLine: whether who connects sends frames of a line.
        case listener(isLine: Bool)
        case stream(buffer: [UInt8])
        case line(buffer: [UInt8])
    }

    private var answer: ModbusAnswer
    private var peers: [Int32: Peer] = [:]
    private var linkPath: String?
    /// A gateway that waits to be called, and whether in frames of a line.
    private var dialled: DialInPort?
    /// Kept open: a terminal nobody holds reports errors instead of silence.
    private var terminal: Int32 = -1

    public init(_ line: Plant.ModbusLine) throws(SimulatorError) {
        executor = BlockingExecutor(label: "simulator.\(line.endpoint)")
        answer = ModbusAnswer(
            units: Dictionary(grouping: line.devices, by: \.unit).mapValues { $0.map { SimulatedUnit($0) } })
        switch line.endpoint {
        case .tcp(let host, let port):
            peers = [try Self.listen(host, port): .listener(isLine: false)]
        case .rtuOverTCP(let host, let port):
            peers = [try Self.listen(host, port): .listener(isLine: true)]
        case .dialIn(let port):
            dialled = port
            peers = [:]
        case .serial(let serial):
            let made = try PseudoTerminal.open(at: serial.device)
            peers = [made.master: .line(buffer: [])]
            terminal = made.terminal
            linkPath = serial.device
        }
    }

    private static func listen(_ host: String, _ port: UInt16) throws(SimulatorError) -> Int32 {
        do {
            return try TCPSocket.listen(host: host, port: port)
        } catch {
            throw SimulatorError(
                "\(host):\(port): \(error); the simulator listens on this machine: write an address of this machine at the link"
                    + " (127.0.0.1) and a free port")
        }
    }

    /// Answers until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            if let dialled, peers.isEmpty { dial(dialled) }
            var watched = peers.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&watched, nfds_t(watched.count), 200) > 0 else { continue }
            for one in watched where one.revents != 0 { serve(one.fd) }
        }
        for descriptor in peers.keys { close(descriptor) }
        if terminal >= 0 { close(terminal) }
        if let linkPath { unlink(linkPath) }
    }

    /// Tries again until the gateway is there.
    private func dial(_ gateway: DialInPort) {
        guard let descriptor = try? TCPSocket.connect(host: gateway.host, port: gateway.port, timeout: 200_000) else {
            return
        }
        peers[descriptor] = gateway.isRTU ? .line(buffer: []) : .stream(buffer: [])
    }

    private func serve(_ descriptor: Int32) {
        switch peers[descriptor] {
        case .listener(let isLine):
            let accepted = accept(descriptor, nil, nil)
            guard accepted >= 0 else { return }
            var on: Int32 = 1
            setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            peers[accepted] = isLine ? .line(buffer: []) : .stream(buffer: [])
        case .stream(var buffer):
            guard receive(descriptor, into: &buffer), answerStream(&buffer, descriptor) else {
                close(descriptor)
                peers[descriptor] = nil
                return
            }
            peers[descriptor] = .stream(buffer: buffer)
        case .line(var buffer):
            guard receive(descriptor, into: &buffer) else {
                // A terminal that nobody has open is one that somebody will.
                guard linkPath == nil else { return }
                close(descriptor)
                peers[descriptor] = nil
                return
            }
            answerLine(&buffer, descriptor)
            peers[descriptor] = .line(buffer: buffer)
        case nil: break
        }
    }

    private func receive(_ descriptor: Int32, into buffer: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4_096)
        let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0, buffer.count < 65_536 else { return false }
        buffer.append(contentsOf: chunk[..<count])
        return true
    }

    // MARK: Frames

    /// MODBUS Messaging on TCP/IP V1.0b, 3.1.3: transaction, protocol, length, unit, then the request.
    /// - Returns: false where the stream makes no sense and is to be closed.
    private func answerStream(_ buffer: inout [UInt8], _ descriptor: Int32) -> Bool {
        while buffer.count >= 7 {
            let length = Int(buffer[4]) << 8 | Int(buffer[5])
            guard buffer[2] == 0, buffer[3] == 0, (2...254).contains(length) else { return false }
            guard buffer.count >= 6 + length else { return true }
            if let pdu = answer.pdu(to: buffer[7..<(6 + length)], unit: buffer[6], isLine: false, seconds: Self.seconds)
            {
                let size = UInt16(pdu.count + 1)
                let head = [buffer[0], buffer[1], 0, 0, UInt8(size >> 8), UInt8(size & 0xFF), buffer[6]]
                guard Self.send(head + pdu, descriptor) else { return false }
            }
            buffer.removeFirst(6 + length)
        }
        return true
    }

    /// Most requests are eight bytes long: unit, function, address, count or value, checksum. Those that write several say
    /// how many bytes they bring.
    private func answerLine(_ buffer: inout [UInt8], _ descriptor: Int32) {
        while buffer.count >= 8 {
            let length = buffer[1] == 15 || buffer[1] == 16 ? 9 + Int(buffer[6]) : 8
            guard buffer.count >= length else { return }
            let end = length - 2
            let crc = UInt16(buffer[end]) | UInt16(buffer[end + 1]) << 8
            guard ModbusAnswer.crc16(buffer[..<end]) == crc else {
                buffer.removeFirst()
                continue
            }
            if let pdu = answer.pdu(to: buffer[1..<end], unit: buffer[0], isLine: true, seconds: Self.seconds) {
                let frame = [buffer[0]] + pdu
                let crc = ModbusAnswer.crc16(frame)
                _ = Self.send(frame + [UInt8(crc & 0xFF), UInt8(crc >> 8)], descriptor)
            }
            buffer.removeFirst(length)
        }
    }

    private static func send(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }

    private static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
