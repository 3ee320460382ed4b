// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

enum ListeningSocket {
    /// A connection to somebody who listens; nil where nobody does.
    static func dial(host: String, port: UInt16) -> Int32? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let address = found?.pointee else { return nil }
        defer { freeaddrinfo(found) }
        let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        guard descriptor >= 0 else { return nil }
        if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
        close(descriptor)
        return nil
    }

    /// A socket that listens on an address of this machine.
    static func open(host: String, port: UInt16) throws(SimulatorError) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let address = found else {
            throw SimulatorError("\(host):\(port): no such address")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(address.pointee.ai_family, address.pointee.ai_socktype, 0)
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard descriptor >= 0, bind(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0,
            listen(descriptor, 64) == 0
        else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw SimulatorError(
                "\(host):\(port): \(reason); simulated devices answer on this machine: give the link an address of it"
                    + " (127.0.0.1) and a free port")
        }
        return descriptor
    }
}
