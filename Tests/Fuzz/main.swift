// Headgate
// SPDX-License-Identifier: Apache-2.0

import Foundation

// Fuzz [--count N] [--seed S] [TARGET …]
//
// Runs the corpus, and N changed inputs of each target: a few in `deploy/test`, millions where a parser has changed. An
// input that ended it is put into `Corpus/` beside the mend.

/// SplitMix64, so that a seed gives the same inputs again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// What parsers stumble over.
let pieces = [
    "0", "-1", "9223372036854775807", "-9223372036854775808", "1e308", "99999999999999999999", "nan", "null", "[", "]",
    "{", "}", "\"", "'", ":", ",", "\n", "- ",
    "0x", "\\u", "~",
    "true", "65536", "&a", "*a", "!!", "---", "#", "|", ">", "\u{0}", "é",
].map { Array($0.utf8) }

func changed(_ seeds: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = seeds.randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 1...6, using: &random) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 0...12, using: &random))
        switch Int.random(in: 0...4, using: &random) {
        case 0: bytes.replaceSubrange(place..<end, with: pieces.randomElement(using: &random) ?? [])
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 3:
            let other = seeds.randomElement(using: &random) ?? []
            let from = Int.random(in: 0...other.count, using: &random)
            bytes.replaceSubrange(place..<end, with: other[from..<min(other.count, from + 40)])
        default: if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &random) }
        }
    }
    return Array(bytes.prefix(20_000))
}

var count = 500
var seed = UInt64.random(in: 0...UInt64.max)
var targets: [FuzzTarget] = []
var words = CommandLine.arguments.dropFirst()
while let word = words.popFirst() {
    switch word {
    case "--count": count = words.popFirst().flatMap { Int($0) } ?? count
    case "--seed": seed = words.popFirst().flatMap { UInt64($0) } ?? seed
    default:
        guard let target = FuzzTarget(rawValue: word) else {
            print("targets: \(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))")
            exit(64)
        }
        targets.append(target)
    }
}
let corpus = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")
for target in targets.isEmpty ? FuzzTarget.allCases : targets {
    let folder = corpus.appending(path: target.rawValue)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
    let seeds = try names.map { [UInt8](try Data(contentsOf: folder.appending(path: $0))) }
    // Not to standard output, whose buffer would be lost with the process.
    FileHandle.standardError.write(
        Data("\(target): \(seeds.count) seeds, \(count) changed ones (--count \(count) --seed \(seed))\n".utf8))
    var random = SeededGenerator(state: seed)
    for bytes in seeds { target.run(bytes) }
    for _ in 0..<count { target.run(changed(seeds, &random)) }
}
