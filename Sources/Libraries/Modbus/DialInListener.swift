// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Waits for a device that dials in: a modem or a converter behind an address that nobody can call.
///
/// One device at a time: who dials again has lost its connection before, whether its other end has been told or not.
public struct DialInListener: ~Copyable {
    private let descriptor: Int32

    public init(host: String, port: UInt16) throws(ModbusError) {
        descriptor = try TCPSocket.listen(host: host, port: port)
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
