// Headgate
// SPDX-License-Identifier: Apache-2.0

public enum Spelling {
    /// The word most like `word`, where one is like it at all: at most a third of its letters differ.
    public static func nearest(to word: String, among words: [String]) -> String? {
        guard word.utf8.count <= longest else { return nil }
        let most = max(1, word.utf8.count / 3)
        // Letters that are too many or too few differ.
        let near = words.filter { abs($0.utf8.count - word.utf8.count) <= most }
        let best = near.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        guard let best, best.1 <= most else { return nil }
        return best.0
    }

    /// No word is longer.
    private static let longest = 128

    /// Letters to insert, leave out, change, or swap with their neighbour (the distance of Damerau and Levenshtein).
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var before: [Int] = []
        var last = Array(0...other.count)
        for i in one.indices {
            var row = [i + 1]
            for j in other.indices {
                var least = min(last[j] + (one[i] == other[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] {
                    least = min(least, before[j - 1] + 1)
                }
                row.append(least)
            }
            (before, last) = (last, row)
        }
        return last[other.count]
    }
}
