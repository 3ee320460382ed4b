// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Waits for devices that dial in: modems and converters behind an address that cannot be called.
public struct DialInListener: ~Copyable {
    private let descriptor: Int32

    public init(host: String, port: UInt16) throws(ModbusError) {
        descriptor = try TCPSocket.listen(host: host, port: port)
    }

    deinit { close(descriptor) }

    /// The connection that has waited longest, nil if no connection waits. It belongs to the caller.
    /// - Throws: if the system allows no more open files.
    public func accept() throws(ModbusError) -> Int32? {
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted >= 0 else {
            if errno == EMFILE || errno == ENFILE { throw ModbusError(code: errno) }
            return nil
        }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        var on: Int32 = 1
        setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<Int32>.size))
        return accepted
    }
}
