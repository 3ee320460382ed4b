// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Random numbers that a seed repeats: a failure names it, and `HEADGATE_SEED` brings it back (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator {
    public let seed: UInt64
    private var state: UInt64

    /// - Parameter fixed: what it is seeded with where `HEADGATE_SEED` names nothing else; at random where that is nil.
    public init(fixed: UInt64? = nil) {
        seed =
            getenv("HEADGATE_SEED").flatMap { UInt64(String(cString: $0)) } ?? fixed
            ?? UInt64.random(in: 0...UInt64.max)
        state = seed
    }

    /// How often a random case is tried: `HEADGATE_ROUNDS` times as often in the long form of the tests.
    public static func rounds(_ short: Int) -> Int {
        short * (getenv("HEADGATE_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1)
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
