// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A number, text, boolean or null.
enum JSONScalar: Decodable {
    case none
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .none
        } else if let boolean = try? container.decode(Bool.self) {
            self = .boolean(boolean)
        } else if let integer = try? container.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else {
            self = .text(try container.decode(String.self))
        }
    }

    var asNumber: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .number(let number): number
        case .none, .boolean, .text: nil
        }
    }

    /// As people read it.
    var text: String {
        switch self {
        case .none: "–"
        case .boolean(let isTrue): "\(isTrue)"
        case .integer(let integer): "\(integer)"
        case .number(let number): "\(number)"
        case .text(let text): text
        }
    }
}
