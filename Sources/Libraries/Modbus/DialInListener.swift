// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Waits for a device that dials in: a modem or a converter behind an address that nobody can call.
///
/// One device at a time: who dials again has lost its connection before, whether its other end has been told or not.
public struct DialInListener: ~Copyable {
    private let descriptor: Int32

    public init(host: String, port: UInt16) throws(ModbusError) {
        descriptor = try Self.open(host, port)
    }

    private static func open(_ host: String, _ port: UInt16) throws(ModbusError) -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let address = found?.pointee else {
            throw ModbusError(code: EADDRNOTAVAIL)
        }
        defer { freeaddrinfo(found) }
        let type = address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { throw ModbusError(code: errno) }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, listen(descriptor, 8) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw ModbusError(code: code)
        }
        return descriptor
    }

    deinit { close(descriptor) }

    /// The newest connection that there is; nil where nobody has dialled since the last call.
    public func newest() -> Int32? {
        var newest: Int32?
        while case let accepted = accept(descriptor, nil, nil), accepted >= 0 {
            if let newest { close(newest) }
            newest = accepted
        }
        guard let newest else { return nil }
        var on: Int32 = 1
        setsockopt(newest, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(newest, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(newest, F_SETFD, FD_CLOEXEC)
        return newest
    }
}
