// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Modbus
import YAMLText

/// The keys of a port that a device dials: `listen`, `from` and `identity`.
struct DialInKeys {
    let claims: Claims

    /// - Parameter address: of this machine; 0.0.0.0 stands for all of them.
    func port(_ address: YAMLValue, isRTU: Bool, from: YAMLValue?, identity: YAMLValue?) -> DialInPort? {
        guard let (host, port) = address.endpoint(defaultPort: nil) else { return nil }
        if !claims.claim("dial-in", String(port)) {
            address.problem(
                .portTaken, "is also the port of another link: two links cannot listen on one port",
                fix: "give each link its own port")
        }
        return DialInPort(
            host: host, port: port, isRTU: isRTU, ranges: from.map(Self.ranges) ?? [],
            identity: identity.flatMap(Self.identity))
    }

    private static func ranges(_ value: YAMLValue) -> [NetworkRange] {
        guard let entries = value.sequence() else { return [] }
        if entries.isEmpty {
            value.problem(
                .emptyList, "must have at least one range", fix: "write from: [10.20.0.0/16], or remove the key")
        }
        return entries.compactMap { entry in
            guard let text = entry.string() else { return nil }
            if let range = NetworkRange(text) { return range }
            let network = network(of: text)
            entry.problem(
                .invalidNetworkRange,
                network == nil ? "is not a range of addresses" : "is an address inside a range, not the range itself",
                fix: network.map { "write \($0), or the address alone" } ?? "write 10.20.0.0/16, 10.20.0.31 or fd00::/8"
            )
            return nil
        }
    }

    /// The range that an address with the length of a range is in.
    private static func network(of text: String) -> NetworkRange? {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let address = NetworkAddress(String(parts[0])), let bits = Int(parts[1]) else {
            return nil
        }
        return NetworkRange(of: address, bits: bits)
    }

    private static func identity(_ value: YAMLValue) -> DialInPort.Identity? {
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let unit = mapping.take("unit_id")?.integer(in: 1...247, "a unit ID") ?? 1
        let table = mapping.take("table")?.word(["holding": ModbusTable.holding, "input": .input]) ?? .holding
        let address = mapping.require("address", fix: "name the first register, from 0")?
            .integer(in: 0...65_535, "an address")
        let words = mapping.require("is", fix: "write what the registers hold: is: \"SN-4711\", or is: [21365, 28243]")
            .map(Self.words)
        guard let address, let words, !words.isEmpty else { return nil }
        if address + words.count > 65_536 { value.problem(.invalidIdentity, "has registers beyond address 65535") }
        return DialInPort.Identity(
            unit: UInt8(clamping: unit), table: table, address: UInt16(clamping: address), words: words)
    }

    /// A list of registers, or a text of two characters a register, with 0 after an odd number of them.
    private static func words(_ value: YAMLValue) -> [UInt16] {
        let words: [UInt16]
        if value.isSequence {
            let registers = value.sequence() ?? []
            words = registers.compactMap {
                $0.integer(in: 0...65_535, "a register").map { UInt16(clamping: $0) }
            }
            // Each mistake is reported once.
            guard words.count == registers.count else { return [] }
        } else {
            let bytes = Array((value.string() ?? "").utf8)
            words = stride(from: 0, to: bytes.count, by: 2).map {
                UInt16(bytes[$0]) << 8 | UInt16($0 + 1 < bytes.count ? bytes[$0 + 1] : 0)
            }
        }
        guard (1...Self.mostWords).contains(words.count) else {
            value.problem(
                .invalidIdentity, "must be 1 to \(Self.mostWords) registers, or a text of that many pairs of characters"
            )
            return []
        }
        return words
    }

    private static let mostWords = 64
}
