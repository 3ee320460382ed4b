// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import FoundationEssentials

/// JSON that is made to be read by people as well: its members stay in their order.
public indirect enum JSONDocument: Sendable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int64)
    /// A whole number above what `integer` can hold.
    case unsigned(UInt64)
    case number(Double)
    case string(String)
    case array([JSONDocument])
    case object([(String, JSONDocument)])

    public static func == (one: JSONDocument, other: JSONDocument) -> Bool { one.text == other.text }

    /// A member of an object; nil where there is none.
    public subscript(key: String) -> JSONDocument? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.0 == key }?.1
    }

    public var asString: String? { if case .string(let text) = self { text } else { nil } }
    public var asNumber: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .unsigned(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }

    public var asArray: [JSONDocument]? { if case .array(let elements) = self { elements } else { nil } }
    public var asMembers: [(String, JSONDocument)]? { if case .object(let members) = self { members } else { nil } }

    public mutating func remove(_ key: String) {
        if case .object(let members) = self { self = .object(members.filter { $0.0 != key }) }
    }

    /// Adds a member behind the others, or replaces it.
    public mutating func set(_ key: String, _ value: JSONDocument) {
        guard case .object(var members) = self else { return }
        if let place = members.firstIndex(where: { $0.0 == key }) {
            members[place].1 = value
        } else {
            members.append((key, value))
        }
        self = .object(members)
    }

    // MARK: Text

    /// In one line.
    public var text: String {
        var out = ByteWriter()
        write(to: &out, indent: nil)
        return String(decoding: out.bytes, as: UTF8.self)
    }

    /// In many lines, two spaces a level.
    public var lines: String {
        var out = ByteWriter()
        write(to: &out, indent: 0)
        return String(decoding: out.bytes, as: UTF8.self) + "\n"
    }

    private func write(to out: inout ByteWriter, indent: Int?) {
        switch self {
        case .null: out.text("null")
        case .boolean(let isTrue): out.raw("\(isTrue)".utf8)
        case .integer(let integer): out.decimal(integer)
        case .unsigned(let number): out.raw(String(number).utf8)
        case .number(let number): out.raw((number.isFinite ? "\(number)" : "null").utf8)
        case .string(let text): out.jsonString(text)
        case .array(let elements):
            Self.write(elements.map { (nil, $0) }, "[", "]", isFlat: elements.allSatisfy(\.isLeaf), indent, to: &out)
        case .object(let members):
            Self.write(members.map { ($0, $1) }, "{", "}", isFlat: false, indent, to: &out)
        }
    }

    private var isLeaf: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }

    private static func write(
        _ members: [(String?, JSONDocument)], _ open: String, _ close: String, isFlat: Bool, _ indent: Int?,
        to out: inout ByteWriter
    ) {
        let inner = isFlat || members.isEmpty ? nil : indent.map { $0 + 1 }
        func breakLine(_ level: Int?) {
            if let level { out.raw(("\n" + String(repeating: "  ", count: level)).utf8) }
        }
        out.raw(open.utf8)
        for (place, member) in members.enumerated() {
            if place > 0 { out.raw((inner == nil && indent != nil ? ", " : ",").utf8) }
            breakLine(inner)
            if let key = member.0 {
                out.jsonString(key)
                out.raw((indent == nil ? ":" : ": ").utf8)
            }
            member.1.write(to: &out, indent: indent == nil ? nil : inner ?? indent)
        }
        if inner != nil { breakLine(indent) }
        out.raw(close.utf8)
    }
}

extension JSONDocument: Decodable {
    /// Of bytes from elsewhere; nil where they are no JSON. Members are in the order of their names.
    public init?(_ bytes: some Sequence<UInt8>) {
        guard let read = try? JSONDecoder().decode(JSONDocument.self, from: Data(bytes)) else { return nil }
        self = read
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let isTrue = try? container.decode(Bool.self) {
            self = .boolean(isTrue)
        } else if let integer = try? container.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? container.decode(UInt64.self) {
            self = .unsigned(number)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let elements = try? container.decode([JSONDocument].self) {
            self = .array(elements)
        } else {
            let members = try container.decode([String: JSONDocument].self)
            self = .object(members.sorted { $0.key < $1.key })
        }
    }
}

extension JSONDocument: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .boolean(let isTrue): try container.encode(isTrue)
        case .integer(let integer): try container.encode(integer)
        case .unsigned(let number): try container.encode(number)
        case .number(let number): try number.isFinite ? container.encode(number) : container.encodeNil()
        case .string(let text): try container.encode(text)
        case .array(let elements): try container.encode(elements)
        case .object(let members): try container.encode(Dictionary(members, uniquingKeysWith: { one, _ in one }))
        }
    }
}

extension JSONDocument {
    /// A value of a reading.
    /// - Parameter text: the text that `value` stands for.
    public init(_ value: Events.Value, text: String?) {
        switch value {
        case .none: self = .null
        case .number(let number): self = .number(number)
        // With the digits of single precision.
        case .single(let number): self = .number(Double("\(number)") ?? Double(number))
        case .integer(let integer): self = .integer(integer)
        case .unsigned(let number): self = .unsigned(number)
        case .boolean(let isTrue): self = .boolean(isTrue)
        case .text: self = text.map(JSONDocument.string) ?? .null
        }
    }
}

extension JSONDocument: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    public init(stringLiteral text: String) { self = .string(text) }
    public init(arrayLiteral elements: JSONDocument...) { self = .array(elements) }
    public init(dictionaryLiteral members: (String, JSONDocument)...) { self = .object(members) }
}
