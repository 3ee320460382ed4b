// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// TOML 1.0 as JSON, as far as configurations go: dates are texts. The library there is for it ends the process where a
/// table's name is none (`[[{}]]`).
struct TOMLText {
    /// Where a text stops being TOML.
    struct Malformed: Error {
        var line: Int
        var expected: String
    }

    private final class Table {
        var members: [(key: String, value: Value)] = []

        func index(of key: String) -> Int? { members.firstIndex { $0.key == key } }
    }

    private enum Value {
        case text(String)
        /// A number or a boolean, as JSON has it.
        case plain(String)
        case list([Value])
        case table(Table)
        case tables([Table])
    }

    private static let deepest = 32

    private let bytes: [UInt8]
    private var at = 0

    private init(_ text: String) {
        bytes = Array(text.utf8)
    }

    static func json(of text: String) throws(Malformed) -> String {
        var reader = TOMLText(text)
        let root = Table()
        try reader.document(root)
        var out = ByteWriter()
        write(.table(root), to: &out)
        return String(decoding: out.bytes, as: UTF8.self)
    }

    private static func write(_ value: Value, to out: inout ByteWriter) {
        func list<Element>(
            _ elements: [Element], _ open: StaticString, _ close: StaticString, _ each: (Element) -> Void
        ) {
            out.text(open)
            for (place, element) in elements.enumerated() {
                if place > 0 { out.text(",") }
                each(element)
            }
            out.text(close)
        }
        switch value {
        case .text(let text): out.jsonString(text)
        case .plain(let text): out.raw(text.utf8)
        case .list(let values): list(values, "[", "]") { write($0, to: &out) }
        case .tables(let tables): list(tables, "[", "]") { write(.table($0), to: &out) }
        case .table(let table):
            list(table.members, "{", "}") { member in
                out.jsonString(member.key)
                out.text(": ")
                write(member.value, to: &out)
            }
        }
    }

    // MARK: Lines

    private mutating func document(_ root: Table) throws(Malformed) {
        var current = root
        while true {
            skip(lines: true)
            guard let byte = next else { return }
            if byte == UInt8(ascii: "[") {
                current = try header(root)
            } else {
                try member(of: current, depth: 0)
            }
            skip(lines: false)
            guard next == nil || next == UInt8(ascii: "\n") || next == UInt8(ascii: "\r") else {
                throw malformed("the end of the line")
            }
        }
    }

    /// `[a.b]` or `[[a.b]]`.
    private mutating func header(_ root: Table) throws(Malformed) -> Table {
        at += 1
        let isList = take("[")
        let keys = try path()
        guard take("]"), !isList || take("]") else { throw malformed("] behind the name of a table") }
        var table = root
        for key in keys.dropLast() { table = try self.table(key, in: table) }
        guard let last = keys.last else { throw malformed("the name of a table") }
        guard isList else { return try self.table(last, in: table) }
        let fresh = Table()
        if let place = table.index(of: last) {
            guard case .tables(let tables) = table.members[place].value else { throw malformed("another name") }
            table.members[place].value = .tables(tables + [fresh])
        } else {
            table.members.append((last, .tables([fresh])))
        }
        return fresh
    }

    /// The table of a name, made where there is none; of several the last.
    private func table(_ key: String, in parent: Table) throws(Malformed) -> Table {
        guard let place = parent.index(of: key) else {
            let fresh = Table()
            parent.members.append((key, .table(fresh)))
            return fresh
        }
        switch parent.members[place].value {
        case .table(let table): return table
        case .tables(let tables): if let last = tables.last { return last }
        default: break
        }
        throw malformed("another name: this is a value already")
    }

    private mutating func member(of table: Table, depth: Int) throws(Malformed) {
        let keys = try path()
        guard take("=") else { throw malformed("= behind a key") }
        skip(lines: false)
        let value = try value(depth: depth)
        var table = table
        for key in keys.dropLast() { table = try self.table(key, in: table) }
        guard let last = keys.last, table.index(of: last) == nil else { throw malformed("each key once") }
        table.members.append((last, value))
    }

    private mutating func path() throws(Malformed) -> [String] {
        var keys: [String] = []
        repeat {
            skip(lines: false)
            keys.append(try key())
            skip(lines: false)
        } while take(".")
        guard keys.count <= Self.deepest else { throw malformed("fewer parts of a key") }
        return keys
    }

    private mutating func key() throws(Malformed) -> String {
        if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") { return try text() }
        let start = at
        while let byte = next, Self.isBare(byte) { at += 1 }
        guard at > start else { throw malformed("a key") }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private static func isBare(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(Malformed) -> Value {
        guard depth < Self.deepest else { throw malformed("fewer lists in one another") }
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .text(try text())
        case UInt8(ascii: "["):
            return .list(
                try elements(until: "]") { reader throws(Malformed) in
                    try reader.value(depth: depth + 1)
                })
        case UInt8(ascii: "{"):
            let table = Table()
            _ = try elements(until: "}") { reader throws(Malformed) in try reader.member(of: table, depth: depth + 1) }
            return .table(table)
        default: return try plain()
        }
    }

    /// What stands between brackets, with commas.
    private mutating func elements<Element>(
        until end: Character, _ element: (inout TOMLText) throws(Malformed) -> Element
    ) throws(Malformed) -> [Element] {
        at += 1
        var elements: [Element] = []
        while true {
            skip(lines: true)
            if take(end) { return elements }
            elements.append(try element(&self))
            skip(lines: true)
            if take(end) { return elements }
            guard take(",") else { throw malformed(", or \(end)") }
        }
    }

    private mutating func plain() throws(Malformed) -> Value {
        let start = at
        while let byte = next, Self.isBare(byte) || "+.:".utf8.contains(byte) { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self).replacing("_", with: "")
        if text == "true" || text == "false" { return .plain(text) }
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where text.hasPrefix(prefix) {
            if let number = Int(text.dropFirst(2), radix: radix) { return .plain("\(number)") }
        }
        if let number = Double(text) {
            return number.isFinite && !text.hasPrefix("+") ? .plain(text) : .text(text)
        }
        // A date.
        guard text.first?.isNumber ?? false, text.contains(where: { $0 == "-" || $0 == ":" }) else {
            throw malformed("a value")
        }
        return .text(text)
    }

    // MARK: Texts

    /// In one or three quotes of either kind; only double ones know escapes.
    private mutating func text() throws(Malformed) -> String {
        guard let quote = next else { throw malformed("a text") }
        let isLong = bytes[at...].starts(with: [quote, quote, quote])
        at += isLong ? 3 : 1
        // The first end of a line is not the text's.
        if isLong, take("\r") || next == 0x0A { _ = take("\n") }
        var text: [UInt8] = []
        while let byte = next {
            at += 1
            if byte == quote, !isLong || bytes[at...].starts(with: [quote, quote]) {
                at += isLong ? 2 : 0
                return String(decoding: text, as: UTF8.self)
            }
            if byte == UInt8(ascii: "\n"), !isLong { break }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                text += try escaped(isLong: isLong)
            } else {
                text.append(byte)
            }
        }
        throw malformed("the end of a text")
    }

    private mutating func escaped(isLong: Bool) throws(Malformed) -> [UInt8] {
        guard let byte = next else { throw malformed("the end of a text") }
        at += 1
        switch byte {
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [byte]
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let end = min(at + (byte == UInt8(ascii: "u") ? 4 : 8), bytes.count)
            let digits = String(decoding: bytes[at..<end], as: UTF8.self)
            guard let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init) else {
                throw malformed("the number of a character")
            }
            at = end
            return Array(String(Character(scalar)).utf8)
        case UInt8(ascii: "\n") where isLong, UInt8(ascii: "\r") where isLong, UInt8(ascii: " ") where isLong:
            while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
            return []
        default: throw malformed("an escape")
        }
    }

    // MARK: Bytes

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func take(_ character: Character) -> Bool {
        guard let byte = next, byte == character.asciiValue else { return false }
        at += 1
        return true
    }

    /// Blanks and comments, and with `lines` the ends of lines too.
    private mutating func skip(lines: Bool) {
        while let byte = next {
            switch byte {
            case 0x20, 0x09: at += 1
            case 0x0A, 0x0D: if lines { at += 1 } else { return }
            case UInt8(ascii: "#"): while next ?? 0x0A != 0x0A { at += 1 }
            default: return
            }
        }
    }

    private func malformed(_ expected: String) -> Malformed {
        Malformed(line: bytes[..<min(at, bytes.count)].count { $0 == 0x0A } + 1, expected: expected)
    }
}
