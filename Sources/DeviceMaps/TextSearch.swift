// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Finds texts in registers that no map describes: names, serial numbers, versions.
public enum TextSearch {
    /// Registers of letters; numbers look like two now and then.
    private static let fewest = 3
    private static let fewestBeforeZeros = 2

    /// How many of the first registers look like a text of two characters each, with the zeros and blanks behind it.
    /// - Returns: nil if they do not.
    public static func length(atStartOf words: some Collection<UInt16>) -> Int? {
        let bytes = words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        let characters = bytes.prefix { (0x20...0x7E).contains($0) }
        let filled = bytes.dropFirst(characters.count).prefix { $0 == 0 }
        // The last register may have one character, and what is behind a text of an odd number of them is a zero.
        guard characters.count.isMultiple(of: 2) || !filled.isEmpty else { return nil }
        let taken = (characters.count + 1) / 2
        let isEnded = filled.count >= 2
        guard taken >= (isEnded ? fewestBeforeZeros : fewest), looksWritten(characters) else { return nil }
        return (characters.count + filled.count) / 2
    }

    /// Most are letters and digits, and one is a letter at least: counters and voltages are seldom so.
    private static func looksWritten(_ characters: some Collection<UInt8>) -> Bool {
        let letters = characters.count { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0 & 0xDF) }
        let digits = characters.count { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return letters > 0 && (letters + digits) * 4 >= characters.count { $0 != 0x20 } * 3
    }
}
