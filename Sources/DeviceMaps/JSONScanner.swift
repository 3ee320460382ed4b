// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A value found in a JSON payload.
public enum JSONLeaf: Equatable, Sendable {
    case number(Double)
    case integer(Int64)
    /// A whole number above what `integer` can hold.
    case unsigned(UInt64)
    /// A whole number of more than 64 bits, as nearly as a double can hold it.
    case rounded(Double)
    case boolean(Bool)
    case string(String)
    case null
    /// An object or a list stands where a value was wanted.
    case container
    /// A list of numbers, where one was wanted.
    case numbers([Double])
    /// What printers write for a number that is none: NaN, Infinity.
    case notANumber
    /// A string whose bytes are no UTF-8.
    case notText
}

extension JSONLeaf {
    var asNumber: Double? {
        switch self {
        case .number(let number): number
        case .integer(let integer): Double(integer)
        case .unsigned(let number): Double(number)
        case .rounded(let number): number
        case .boolean, .string, .null, .container, .numbers, .notANumber, .notText: nil
        }
    }
}

/// A payload that is not JSON.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// Bytes from the payload's start.
    public let offset: Int
    public let expected: String

    public var description: String { "not valid JSON at byte \(offset): expected \(expected)" }
}

/// Reads a JSON text once (RFC 8259), and picks out the values that a tree of paths leads to.
///
/// A general decoder builds everything it reads: 20 to 30 µs for a payload of which two values are wanted. A text
/// that does not end where it should gives nothing, so that no value is taken from a payload that was cut or damaged.
///
/// Leniently it takes what devices are known to print and what says nothing of damage: a byte order mark before the text
/// and zeros behind it, `NaN` and `Infinity`, numbers like `+1`, `.5`, `5.` and `007`, a comma before a closing bracket, raw
/// control characters and bytes that are no UTF-8 in strings. Strictly it refuses each of these.
public struct JSONScanner {
    /// Deeper payloads are refused: each level takes stack.
    public static let depthLimit = 64

    private let bytes: [UInt8]
    private let tree: JSONPathTree
    private var position = 0
    private var found: [(target: Int, leaf: JSONLeaf)] = []
    /// The node whose list is taken apart, and where its elements lie.
    private let listNode: Int?
    private var elements: [Range<Int>]?
    private let isLenient: Bool

    private init(_ bytes: [UInt8], _ tree: JSONPathTree, list: Int? = nil, isLenient: Bool) {
        self.bytes = bytes
        self.tree = tree
        self.isLenient = isLenient
        listNode = list
    }

    /// The values the paths lead to, by the place of the path in its tree. Where a key stands twice, the last counts.
    public static func scan(
        _ bytes: [UInt8], for tree: JSONPathTree, isLenient: Bool = false
    ) throws(JSONError) -> [(target: Int, leaf: JSONLeaf)] {
        var scanner = JSONScanner(bytes, tree, isLenient: isLenient)
        try scanner.all()
        return scanner.found
    }

    /// The texts of the elements of a list; of something else in its place, that.
    /// - Throws: also where there is nothing at `path`.
    public static func elements(
        of bytes: [UInt8], at path: JSONPath, isLenient: Bool = false
    ) throws(JSONError) -> [[UInt8]] {
        let tree = JSONPathTree([path])
        var scanner = JSONScanner(
            bytes, tree, list: tree.nodes.firstIndex { !$0.targets.isEmpty }, isLenient: isLenient)
        try scanner.all()
        guard let elements = scanner.elements else { throw JSONError(offset: 0, expected: "a list at \(path)") }
        return elements.map { Array(bytes[$0]) }
    }

    private mutating func all() throws(JSONError) {
        if isLenient, bytes.first == 0xEF, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        try value(node: 0, depth: 0)
        skipBlanks()
        while isLenient, next == 0 || next == 0x20 || next == 0x0A || next == 0x0D { position += 1 }
        guard position == bytes.count else { throw error("the end") }
    }

    private func error(_ expected: String) -> JSONError {
        JSONError(offset: position, expected: expected)
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    // MARK: Values

    /// - Parameter node: where the paths stand that may end in or below this value; nil where none does.
    @discardableResult
    private mutating func value(node: Int?, depth: Int) throws(JSONError) -> JSONLeaf {
        guard depth <= Self.depthLimit else { throw error("fewer than \(Self.depthLimit) levels") }
        skipBlanks()
        let start = position
        // A list is taken apart below.
        let isOneItem = node != nil && node == listNode && next != UInt8(ascii: "[")
        defer { if isOneItem { elements = [start..<position] } }
        let leaf: JSONLeaf
        switch next {
        case UInt8(ascii: "{"):
            try object(node: node, depth: depth)
            leaf = .container
        case UInt8(ascii: "["): leaf = try list(node: node, depth: depth)
        case UInt8(ascii: "\""):
            let text = try string()
            leaf = text.map { .string($0) } ?? .notText
        case UInt8(ascii: "t"): leaf = try word("true", .boolean(true))
        case UInt8(ascii: "f"): leaf = try word("false", .boolean(false))
        case UInt8(ascii: "n") where !isLenient || !isNotANumber: leaf = try word("null", .null)
        default:
            if let none = notANumber() { leaf = none } else { leaf = try number() }
        }
        guard let node else { return leaf }
        for target in tree.nodes[node].targets { found.append((target, leaf)) }
        return leaf
    }

    private mutating func object(node: Int?, depth: Int) throws(JSONError) {
        position += 1
        skipBlanks()
        if take("}") { return }
        while true {
            skipBlanks()
            if isLenient, take("}") { return }
            guard next == UInt8(ascii: "\"") else { throw error("a key in quotes") }
            let key = try string()
            skipBlanks()
            guard take(":") else { throw error("a colon") }
            var below: Int?
            if let node, let key { below = tree.nodes[node].keys[key] }
            try value(node: below, depth: depth + 1)
            skipBlanks()
            if take("}") { return }
            guard take(",") else { throw error("a comma or }") }
        }
    }

    /// - Returns: its numbers where they are wanted, and it has nothing else.
    private mutating func list(node: Int?, depth: Int) throws(JSONError) -> JSONLeaf {
        position += 1
        skipBlanks()
        var numbers: [Double]? = node.map { tree.nodes[$0].wantsNumbers } ?? false ? [] : nil
        let isWanted = node != nil && node == listNode
        var ranges: [Range<Int>] = []
        defer { if isWanted { elements = ranges } }
        if take("]") { return numbers.map { .numbers($0) } ?? .container }
        var index = 0
        while true {
            skipBlanks()
            if isLenient, index > 0, take("]") { return numbers.map { .numbers($0) } ?? .container }
            let start = position
            let leaf = try value(node: node.flatMap { tree.nodes[$0].elements[index] }, depth: depth + 1)
            if numbers != nil {
                if let number = leaf.asNumber { numbers?.append(number) } else { numbers = nil }
            }
            if isWanted { ranges.append(start..<position) }
            index += 1
            skipBlanks()
            if take("]") { return numbers.map { .numbers($0) } ?? .container }
            guard take(",") else { throw error("a comma or ]") }
        }
    }

    private mutating func word(_ word: StaticString, _ leaf: JSONLeaf) throws(JSONError) -> JSONLeaf {
        let end = position + word.utf8CodeUnitCount
        let matches =
            end <= bytes.count
            && word.withUTF8Buffer { wanted in zip(bytes[position..<end], wanted).allSatisfy { $0 == $1 } }
        guard matches else { throw error("a value") }
        position = end
        return leaf
    }

    // MARK: Numbers

    private static let notANumbers = ["nan", "infinity", "inf"]

    private var isNotANumber: Bool {
        var place = position
        if place < bytes.count, bytes[place] == UInt8(ascii: "-") || bytes[place] == UInt8(ascii: "+") { place += 1 }
        // Most values are digits.
        guard place < bytes.count, bytes[place] | 0x20 == UInt8(ascii: "n") || bytes[place] | 0x20 == UInt8(ascii: "i")
        else {
            return false
        }
        return Self.notANumbers.contains { Self.isWord($0, bytes[min(place, bytes.count)...]) }
    }

    private static func isWord(_ word: String, _ bytes: ArraySlice<UInt8>) -> Bool {
        let length = word.utf8.count
        guard bytes.count >= length, zip(bytes, word.utf8).allSatisfy({ $0 | 0x20 == $1 }) else { return false }
        // Not the beginning of another word.
        return bytes.dropFirst(length).first.map { !Character(Unicode.Scalar($0)).isLetter } ?? true
    }

    private mutating func notANumber() -> JSONLeaf? {
        guard isLenient, isNotANumber else { return nil }
        if !take("-") { _ = take("+") }
        while let byte = next, Character(Unicode.Scalar(byte)).isLetter { position += 1 }
        return .notANumber
    }

    private mutating func number() throws(JSONError) -> JSONLeaf {
        let start = position
        if !take("-"), isLenient { _ = take("+") }
        guard let first = next, Self.isDigit(first) || isLenient && first == UInt8(ascii: ".") else {
            throw error("a value")
        }
        var digits = 0
        if Self.isDigit(first) {
            position += 1
            digits = 1
            // RFC 8259, 6: no zeros before a number.
            if first != UInt8(ascii: "0") || isLenient { digits += skipDigits() }
        }
        var isWhole = true
        if take(".") {
            isWhole = false
            // How a C library of Windows writes what is no number: 1.#INF, 1.#QNAN.
            if isLenient, take("#") {
                while let byte = next, Character(Unicode.Scalar(byte)).isLetter { position += 1 }
                skipDigits()
                return .notANumber
            }
            let decimals = skipDigits()
            guard decimals > 0 || isLenient && digits > 0 else { throw error("a digit") }
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("-") { _ = take("+") }
            guard skipDigits() > 0 else { throw error("a digit") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole {
            if let integer = Int64(text) { return .integer(integer) }
            if let number = UInt64(text) { return .unsigned(number) }
        }
        guard let number = Double(text), number.isFinite else {
            if isLenient { return .notANumber }
            throw error("a number that a double can hold")
        }
        return isWhole ? .rounded(number) : .number(number)
    }

    @discardableResult
    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = next, Self.isDigit(byte) { position += 1 }
        return position - start
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    // MARK: Strings

    /// - Returns: nil where its bytes are no UTF-8, which only lenient reading goes on after.
    private mutating func string() throws(JSONError) -> String? {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 || isLenient {
            position += 1
        }
        guard next != UInt8(ascii: "\\") else { return try escapedString(from: start) }
        guard take("\"") else { throw error("the end of a string") }
        return try utf8(bytes[start..<(position - 1)])
    }

    private mutating func escapedString(from start: Int) throws(JSONError) -> String? {
        var text = Array(bytes[start..<position])
        var isText = true
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 || isLenient else { throw error("a printable character") }
            position += 1
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            do {
                try escape(into: &text)
            } catch {
                // What the escape stands for is unknown; the string ends where it would.
                guard isLenient, next != nil else { throw error }
                isText = false
            }
        }
        guard take("\"") else { throw error("the end of a string") }
        return isText ? try utf8(text[...]) : nil
    }

    private func utf8(_ slice: ArraySlice<UInt8>) throws(JSONError) -> String? {
        let text = String(validating: slice, as: UTF8.self)
        if text == nil, !isLenient { throw error("text in UTF-8") }
        return text
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw error("the end of a string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: String(Character(try unicodeScalar())).utf8)
        default: throw error("an escape that JSON has")
        }
    }

    /// Four hexadecimal digits, or twice four for what lies beyond them (RFC 8259, 7).
    private mutating func unicodeScalar() throws(JSONError) -> Unicode.Scalar {
        let high = try fourDigits()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard (0xD800..<0xDC00).contains(high), take("\\"), take("u") else { throw error("a pair of surrogates") }
        let low = try fourDigits()
        guard (0xDC00..<0xE000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
        else { throw error("a pair of surrogates") }
        return scalar
    }

    private mutating func fourDigits() throws(JSONError) -> UInt32 {
        guard position + 4 <= bytes.count,
            bytes[position..<(position + 4)].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: bytes[position..<(position + 4)], as: UTF8.self), radix: 16)
        else { throw error("four hexadecimal digits") }
        position += 4
        return value
    }
}
