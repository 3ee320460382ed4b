// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// An IP address. IPv4 is kept as IPv6 has it (`::ffff:a.b.c.d`; RFC 4291, 2.5.5.2), as sockets of both kinds report it.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    fileprivate static let v4Prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

    /// Sixteen of them.
    fileprivate let bytes: [UInt8]

    fileprivate init(bytes: [UInt8]) { self.bytes = bytes }

    /// Of digits, never of a name.
    public init?(_ text: String) {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self.init(bytes: Self.v4Prefix + withUnsafeBytes(of: v4) { Array($0) })
            return
        }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        self.init(bytes: withUnsafeBytes(of: v6) { Array($0) })
    }

    /// Of the other end of a connection; nil if it is gone.
    public init?(peerOf descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let found = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
        }
        guard found == 0 else { return nil }
        let bytes: [UInt8]? = withUnsafeBytes(of: storage) { raw in
            switch Int32(storage.ss_family) {
            case AF_INET: Self.v4Prefix + withUnsafeBytes(of: raw.load(as: sockaddr_in.self).sin_addr) { Array($0) }
            case AF_INET6: withUnsafeBytes(of: raw.load(as: sockaddr_in6.self).sin6_addr) { Array($0) }
            default: nil
            }
        }
        guard let bytes else { return nil }
        self.init(bytes: bytes)
    }

    fileprivate var isV4: Bool { Array(bytes.prefix(12)) == Self.v4Prefix }

    public var isLoopback: Bool {
        isV4 ? bytes[12] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    }

    public var description: String {
        if isV4 { return bytes.suffix(4).map { "\($0)" }.joined(separator: ".") }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// The addresses that begin with the same bits, written as `10.20.0.0/16` or `fd00::/8` (CIDR; RFC 4632, 3.1), or as one address.
public struct NetworkRange: Hashable, Sendable, CustomStringConvertible {
    private let first: NetworkAddress
    /// How many bits of the sixteen bytes all have in common.
    private let bits: Int

    /// - Returns: nil if `text` is no range, or an address in one (`10.20.0.31/16`).
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first.flatMap({ NetworkAddress(String($0)) }) else { return nil }
        let before = text.contains(":") ? 0 : 96
        var bits = 128
        if parts.count == 2 {
            guard let written = Int(parts[1]), String(written) == parts[1], (0...128 - before).contains(written)
            else { return nil }
            bits = before + written
        }
        guard Self.common(address, bits) == address else { return nil }
        (first, self.bits) = (address, bits)
    }

    /// The range that an address is in.
    /// - Parameter bits: as it is written, 0 to 32 for IPv4 and 0 to 128 for IPv6; nil for others.
    public init?(of address: NetworkAddress, bits: Int) {
        let before = address.isV4 ? 96 : 0
        guard (0...128 - before).contains(bits) else { return nil }
        (first, self.bits) = (Self.common(address, before + bits), before + bits)
    }

    /// The range of a length that an address is in.
    private static func common(_ address: NetworkAddress, _ bits: Int) -> NetworkAddress {
        NetworkAddress(
            bytes: address.bytes.enumerated().map { place, byte in
                let kept = min(max(bits - 8 * place, 0), 8)
                return byte & ~UInt8(truncatingIfNeeded: 0xFF >> kept)
            })
    }

    public func contains(_ address: NetworkAddress) -> Bool { Self.common(address, bits) == first }

    public var description: String {
        let before = first.isV4 ? 96 : 0
        return bits == 128 ? "\(first)" : "\(first)/\(bits - before)"
    }
}
