// Headgate
// SPDX-License-Identifier: Apache-2.0

package enum Spelling {
    /// The word most like `word`, where one is like it at all: at most a third of its letters differ.
    package static func nearest(to word: String, among words: [String]) -> String? {
        let best = words.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        guard let best, best.1 <= max(1, word.utf8.count / 3) else { return nil }
        return best.0
    }

    /// Letters to insert, leave out or change (Levenshtein's distance).
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var row = Array(0...other.count)
        for (i, letter) in one.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, candidate) in other.enumerated() {
                let change = diagonal + (letter == candidate ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[other.count]
    }
}
