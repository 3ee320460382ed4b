// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// TCP sockets that libmodbus does not open: for frames that it would send over a line, and for devices that dial in.
public enum TCPSocket {
    /// - Parameter timeout: for each address of the name, in microseconds.
    public static func connect(host: String, port: UInt16, timeout: UInt32) throws(ModbusError) -> Int32 {
        // A name that is not known now may be later.
        try first(of: host, port, flags: 0) { connect($0, timeout) }
    }

    /// How many connections the system keeps until they are accepted: as many as it can, so that a flood of them does not keep
    /// a device out.
    private static let mostUnaccepted = SOMAXCONN

    /// Listens at an address of this machine, without blocking in `accept`.
    public static func listen(host: String, port: UInt16) throws(ModbusError) -> Int32 {
        try first(of: host, port, flags: AI_PASSIVE, listen)
    }

    /// Tries each address of a name in turn.
    private static func first(
        of host: String, _ port: UInt16, flags: Int32,
        _ open: (addrinfo) -> (descriptor: Int32, code: Int32)
    ) throws(ModbusError) -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = flags
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0 else { throw .unknownHost(host) }
        defer { freeaddrinfo(found) }
        var failure = EADDRNOTAVAIL
        var next = found
        while let address = next?.pointee {
            let (descriptor, code) = open(address)
            if code == 0 { return descriptor }
            failure = code
            next = address.ai_next
        }
        throw failure == ETIMEDOUT ? .connectTimeout : ModbusError(code: failure)
    }

    private static func make(_ address: addrinfo) -> Int32 {
        let type = address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        return socket(address.ai_family, type, address.ai_protocol)
    }

    private static func listen(_ address: addrinfo) -> (descriptor: Int32, code: Int32) {
        let descriptor = make(address)
        guard descriptor >= 0 else { return (-1, errno) }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        if bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, Glibc.listen(descriptor, mostUnaccepted) == 0 {
            return (descriptor, 0)
        }
        let code = errno
        close(descriptor)
        return (-1, code)
    }

    private static func connect(_ address: addrinfo, _ timeout: UInt32) -> (descriptor: Int32, code: Int32) {
        let descriptor = make(address)
        guard descriptor >= 0 else { return (-1, errno) }
        let code =
            Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? 0 : outcome(descriptor, timeout)
        guard code == 0 else {
            close(descriptor)
            return (-1, code)
        }
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        return (descriptor, 0)
    }

    /// How a connection that was begun has come out.
    private static func outcome(_ descriptor: Int32, _ timeout: UInt32) -> Int32 {
        guard errno == EINPROGRESS else { return errno }
        var watched = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&watched, 1, Int32(clamping: timeout / 1_000)) > 0 else { return ETIMEDOUT }
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        return code
    }
}
