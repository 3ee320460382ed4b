// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// A zone of the IANA time zone database, as the system has it (RFC 8536).
///
/// Read from the file by hand: C's `localtime` knows one zone a process, and Foundation's brings 30 MB of ICU.
public struct TimeZoneRules: Sendable {
    private static let folder = "/usr/share/zoneinfo/"
    private static let largestFile = 1 << 20

    public let name: String
    /// From when which offset counts: seconds since 1970, and seconds east of Greenwich. The first counts before all.
    private let steps: [(from: Int64, offset: Int64)]

    /// Nil where the system has no such zone.
    public init?(named name: String) {
        let isPlain = name.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "/") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "+")
                || Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
        }
        guard isPlain, !name.isEmpty, !name.hasPrefix("/"), let bytes = Self.file(Self.folder + name),
            let steps = Self.steps(bytes)
        else { return nil }
        self.name = name
        self.steps = steps
    }

    /// The moment of a local time. Where clocks are set back a local time is there twice: the one nearer to `arrival` is
    /// meant. Where they are set ahead, some are not there at all: they count from before.
    public func time(_ local: LocalTime, near arrival: Timestamp) -> Timestamp? {
        let seconds = local.microseconds / 1_000_000
        // Offsets are less than a day and a bit: those that counted around it.
        let near = [offset(at: seconds - 100_000), offset(at: seconds), offset(at: seconds + 100_000)]
        let offsets = Set(near + [offset(at: seconds - near[0]), offset(at: seconds - near[2])])
        let fitting = offsets.filter { offset(at: seconds - $0) == $0 }
        let candidates = (fitting.isEmpty ? [near[0]] : Array(fitting)).compactMap { Timestamp(local, east: $0) }
        func distance(_ time: Timestamp) -> UInt64 { time.microseconds(since: arrival).magnitude }
        return candidates.min { (distance($0), $0) < (distance($1), $1) }
    }

    private func offset(at second: Int64) -> Int64 {
        var (low, high) = (0, steps.count)
        while low < high {
            let middle = (low + high) / 2
            if steps[middle].from <= second { low = middle + 1 } else { high = middle }
        }
        return steps[max(0, low - 1)].offset
    }

    // MARK: The file

    private static func file(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: largestFile)
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(file, buffer.baseAddress?.advanced(by: count), largestFile - count)
            }
            if read <= 0 { break }
            count += read
        }
        return count == 0 ? nil : Array(bytes[..<count])
    }

    /// RFC 8536, 3: a header and a body with times of 32 bits, then both again with 64, then the rule for what comes later.
    private static func steps(_ bytes: [UInt8]) -> [(from: Int64, offset: Int64)]? {
        var reader = TZifReader(bytes: bytes)
        guard let first = reader.header(), first.version >= UInt8(ascii: "2"), reader.skip(first.length(ofTime: 4)),
            let header = reader.header()
        else { return nil }
        var times: [Int64] = []
        for _ in 0..<header.times {
            guard let time = reader.number(8) else { return nil }
            times.append(time)
        }
        guard let kinds = reader.bytes(header.times) else { return nil }
        var offsets: [Int64] = []
        for _ in 0..<header.types {
            guard let offset = reader.number(4), reader.skip(2) else { return nil }
            offsets.append(offset)
        }
        guard let earliest = offsets.first else { return nil }
        guard reader.skip(header.characters + header.leaps * 12 + header.standards + header.universals) else {
            return nil
        }
        var steps = [(from: Int64.min, offset: earliest)]
        for (time, kind) in zip(times, kinds) {
            guard offsets.indices.contains(Int(kind)) else { return nil }
            steps.append((time, offsets[Int(kind)]))
        }
        guard let rule = reader.rest().flatMap(PosixZone.init) else { return steps }
        return steps + rule.steps(after: times.last ?? .min)
    }
}

private struct TZifReader {
    struct Header {
        var version: UInt8
        var universals, standards, leaps, times, types, characters: Int

        func length(ofTime width: Int) -> Int {
            times * width + times + types * 6 + characters + leaps * (width + 4) + standards + universals
        }
    }

    let all: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { all = bytes }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count >= 0, position + count <= all.count else { return nil }
        defer { position += count }
        return Array(all[position..<(position + count)])
    }

    mutating func skip(_ count: Int) -> Bool { bytes(count) != nil }

    /// Two's complement, the most significant byte first.
    mutating func number(_ width: Int) -> Int64? {
        guard let bytes = bytes(width) else { return nil }
        let pattern = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return width == 4 ? Int64(Int32(truncatingIfNeeded: pattern)) : Int64(bitPattern: pattern)
    }

    mutating func header() -> Header? {
        guard bytes(4) == Array("TZif".utf8), let version = bytes(1)?.first, skip(15) else { return nil }
        var counts: [Int] = []
        for _ in 0..<6 {
            guard let count = number(4), (0...100_000).contains(count) else { return nil }
            counts.append(Int(count))
        }
        return Header(
            version: version, universals: counts[0], standards: counts[1], leaps: counts[2], times: counts[3],
            types: counts[4], characters: counts[5])
    }

    /// The line at the end.
    func rest() -> String? {
        let line = all[min(position + 1, all.count)...].prefix { $0 != 0x0A }
        return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
    }
}

/// A zone as POSIX writes it, `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX.1-2017, 8.3, with the hours of RFC 8536, 3.3.1).
private struct PosixZone {
    private struct Change {
        var month: Int64
        var week: Int64
        var weekday: Int64
        /// Seconds after midnight.
        var time: Int64
    }

    private let standard: Int64
    private let summer: (offset: Int64, from: Change, until: Change)?

    /// Nil for what is not written by months, weeks and weekdays: no zone of today is.
    init?(_ text: String) {
        var rest = text[...]
        guard Self.skipName(&rest), let west = Self.time(&rest) else { return nil }
        standard = -west
        if rest.isEmpty {
            summer = nil
            return
        }
        guard Self.skipName(&rest) else { return nil }
        let offset = rest.first == "," ? standard + 3_600 : Self.time(&rest).map { -$0 }
        guard let offset, let from = Self.change(&rest), let until = Self.change(&rest), rest.isEmpty else {
            return nil
        }
        summer = (offset, from, until)
    }

    private static func skipName(_ rest: inout Substring) -> Bool {
        if rest.first == "<" {
            guard let end = rest.firstIndex(of: ">") else { return false }
            rest = rest[rest.index(after: end)...]
            return true
        }
        let name = rest.prefix(while: \.isLetter)
        rest = rest.dropFirst(name.count)
        return !name.isEmpty
    }

    private static func number(_ rest: inout Substring) -> Int64? {
        let digits = rest.prefix { $0.isNumber }.prefix(4)
        rest = rest.dropFirst(digits.count)
        return Int64(digits)
    }

    /// `[+-]hh[:mm[:ss]]`, in seconds.
    private static func time(_ rest: inout Substring) -> Int64? {
        let sign: Int64 = rest.first == "-" ? -1 : 1
        if rest.first == "-" || rest.first == "+" { rest = rest.dropFirst() }
        guard var seconds = number(&rest).map({ $0 * 3_600 }) else { return nil }
        for unit: Int64 in [60, 1] where rest.first == ":" {
            rest = rest.dropFirst()
            guard let value = number(&rest) else { return nil }
            seconds += value * unit
        }
        return sign * seconds
    }

    private static func change(_ rest: inout Substring) -> Change? {
        guard rest.hasPrefix(",M") else { return nil }
        rest = rest.dropFirst(2)
        var parts: [Int64] = []
        for place in 0..<3 {
            if place > 0 {
                guard rest.first == "." else { return nil }
                rest = rest.dropFirst()
            }
            guard let part = number(&rest) else { return nil }
            parts.append(part)
        }
        var time: Int64 = 7_200
        if rest.first == "/" {
            rest = rest.dropFirst()
            guard let written = Self.time(&rest) else { return nil }
            time = written
        }
        guard (1...12).contains(parts[0]), (1...5).contains(parts[1]), (0...6).contains(parts[2]) else { return nil }
        return Change(month: parts[0], week: parts[1], weekday: parts[2], time: time)
    }

    /// What it changes after a moment, until the year 2100.
    func steps(after: Int64) -> [(from: Int64, offset: Int64)] {
        guard let summer else { return [] }
        return (2_020...2_100).flatMap { year -> [(from: Int64, offset: Int64)] in
            [
                (Self.day(summer.from, year) * 86_400 + summer.from.time - standard, summer.offset),
                (Self.day(summer.until, year) * 86_400 + summer.until.time - summer.offset, standard),
            ]
        }.filter { $0.from > after }.sorted { $0.from < $1.from }
    }

    /// Days since 1970.
    private static func day(_ change: Change, _ year: Int64) -> Int64 {
        func first(_ month: Int64) -> Int64 {
            let text = "\(month > 12 ? year + 1 : year)-\(String((month - 1) % 12 + 1, radix: 10, padded: 2))-01T00"
            return (LocalTime(iso8601: text.utf8)?.microseconds ?? 0) / 86_400_000_000
        }
        let (start, end) = (first(change.month), first(change.month + 1))
        // 1970-01-01 was a Thursday, which is 4.
        let weekday = (start + 4) % 7
        var day = start + (change.weekday - weekday + 7) % 7 + (change.week - 1) * 7
        while day >= end { day -= 7 }
        return day
    }
}
