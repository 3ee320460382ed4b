// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Sets apart what would happen at one moment or look alike.
public enum Spread {
    /// Where in a span a name falls, from 0 to less than 1: the same in each run, and elsewhere for most other names.
    public static func fraction(of name: String) -> Double {
        Double(hash(of: name) % 10_007) / 10_007
    }

    /// A number for a name: the same in each run, and another for most other names (FNV-1a, RFC 9923).
    public static func hash(of name: String) -> UInt32 {
        name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }
}
