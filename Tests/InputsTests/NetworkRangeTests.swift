// Headgate
// SPDX-License-Identifier: Apache-2.0

import Modbus
import Testing

@Suite("Ranges of addresses")
struct NetworkRangeTests {
    @Test(
        "a range has the addresses that begin with its bits",
        arguments: [
            ("10.20.0.0/16", "10.20.255.1", "10.21.0.0"), ("10.20.0.31", "10.20.0.31", "10.20.0.32"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"), ("192.168.1.128/25", "192.168.1.255", "192.168.1.127"),
            ("fd00::/8", "fdff::1", "fe00::1"), ("::ffff:10.0.0.0/104", "10.9.8.7", "11.0.0.0"),
            ("10.1.2.3/32", "::ffff:10.1.2.3", "10.1.2.2"),
        ])
    func contains(range: String, inside: String, outside: String) throws {
        let range = try #require(NetworkRange(range))
        #expect(range.contains(try #require(NetworkAddress(inside))))
        #expect(!range.contains(try #require(NetworkAddress(outside))))
    }

    @Test(
        "what is no range is none",
        arguments: [
            "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0/8", "fd00::/129",
            "10.20.0.31/16", "010.0.0.0/8", "ward-3", "10.0.0.0/8/8", "10.0.0.0 /8", "fd00::1%eth0",
        ])
    func mistakes(text: String) {
        #expect(NetworkRange(text) == nil)
    }
}
