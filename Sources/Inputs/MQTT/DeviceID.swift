// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// The ids of devices that nobody has named one by one.
enum DeviceID {
    /// The id of a device behind a wildcard: the configured name and each part of the message's identity.
    static func id(_ parts: [String], of name: String) -> String {
        parts.reduce(name) { id, text in part(text, of: id) }
    }

    /// Ids become parts of topics and keys: what is not a letter, digit, - or _ becomes -, and no more than 48 of them.
    /// A changed one gets a checksum of what it was, so that two never become one device.
    static func part(_ text: String, of name: String) -> String {
        let plain = text.utf8.prefix(48).map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                byte
            default: UInt8(ascii: "-")
            }
        }
        let part = String(decoding: plain, as: UTF8.self)
        if part == text { return name + "." + part }
        // FNV-1a, 64 bits.
        let sum = text.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return name + "." + part + "-" + String(sum, radix: 16, padded: 16)
    }
}
