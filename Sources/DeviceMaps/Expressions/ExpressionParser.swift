// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

/// Reads formulas: an operator precedence parser.
struct ExpressionParser {
    static let longest = 1_000
    private static let deepest = 40

    private let text: [UInt8]
    private var place = 0

    static func parse(_ text: String) throws(ExpressionError) -> Expression {
        guard text.utf8.count <= longest else {
            throw ExpressionError(.formulaTooLong, "is longer than \(longest) characters", at: longest)
        }
        var parser = ExpressionParser(text: Array(text.utf8))
        let expression = try parser.expression(above: 0, depth: 0)
        parser.skipBlanks()
        guard parser.place == parser.text.count else {
            throw ExpressionError(.formulaSyntax, "continues after its end\(parser.hint)", at: parser.place)
        }
        return expression
    }

    /// What stands for it here, where it is a sign of other languages.
    private var hint: String {
        let signs = ["&&": "and", "||": "or", "=>": ">=", "=<": "<=", "<>": "!=", "=": "=="]
        let rest = text[place...]
        let found = signs.keys.sorted { $0.count > $1.count }.first { rest.starts(with: $0.utf8) }
        return found.flatMap { sign in signs[sign].map { ": write `\($0)` for `\(sign)`" } } ?? ""
    }

    private init(text: [UInt8]) {
        self.text = text
    }

    private mutating func expression(above least: Int, depth: Int) throws(ExpressionError) -> Expression {
        guard depth < Self.deepest else { throw ExpressionError(.formulaTooLong, "is nested too deeply", at: place) }
        var left = try operand(depth: depth + 1)
        while let (sign, end) = sign(), sign.precedence > least {
            let at = place
            place = end
            // 2^3^2 is 2^(3^2), everything else goes from left to right.
            let right = try expression(
                above: sign == .power ? sign.precedence - 1 : sign.precedence, depth: depth + 1)
            left = .binary(sign, left, right, at: at)
        }
        return left
    }

    private mutating func operand(depth: Int) throws(ExpressionError) -> Expression {
        skipBlanks()
        let at = place
        guard let byte = peek else { throw ExpressionError(.formulaSyntax, "ends where a value is expected", at: at) }
        switch byte {
        case UInt8(ascii: "-"):
            place += 1
            return .unary(.minus, try expression(above: Expression.BinaryOperator.times.precedence, depth: depth))
        case UInt8(ascii: "("):
            place += 1
            let inner = try expression(above: 0, depth: depth)
            try expect(UInt8(ascii: ")"))
            return inner
        case UInt8(ascii: "@"): return try pointOfDevice()
        case UInt8(ascii: "\""): return try textLiteral()
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."): return try number()
        default: break
        }
        let name = name()
        switch name {
        case "":
            let hint =
                byte == UInt8(ascii: "'") ? ": texts are in double quotes, and a unit stands behind a number" : ""
            throw ExpressionError(.formulaSyntax, "contains a character that is not allowed here\(hint)", at: at)
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        case "not": return .unary(.not, try expression(above: 3, depth: depth))
        case "and", "or": throw ExpressionError(.formulaSyntax, "must have a value before `\(name)`", at: at)
        default: break
        }
        skipBlanks()
        guard peek == UInt8(ascii: "(") else { return .point(device: nil, name: name, at: at) }
        guard let function = Expression.Function(rawValue: name) else {
            let nearest = Expression.Function.allCases.map(\.rawValue).sorted()
            throw ExpressionError(
                .formulaUnknownFunction,
                "uses an unknown function `\(name)`: the functions are \(nearest.joined(separator: ", "))", at: at)
        }
        return try call(function, at: at, depth: depth)
    }

    private mutating func call(
        _ function: Expression.Function, at: Int, depth: Int
    ) throws(ExpressionError) -> Expression {
        place += 1
        var arguments = [try expression(above: 0, depth: depth)]
        skipBlanks()
        while peek == UInt8(ascii: ",") {
            place += 1
            arguments.append(try expression(above: 0, depth: depth))
            skipBlanks()
        }
        try expect(UInt8(ascii: ")"))
        guard function.arguments.contains(arguments.count) else {
            let wanted = function.arguments
            let count = wanted.count == 1 ? "\(wanted.lowerBound)" : "\(wanted.lowerBound) to \(wanted.upperBound)"
            throw ExpressionError(
                .formulaArguments, "gives `\(function.rawValue)` \(arguments.count) values: it takes \(count)", at: at)
        }
        return .call(function, arguments, at: at)
    }

    // MARK: Words

    private var peek: UInt8? { place < text.count ? text[place] : nil }

    private mutating func skipBlanks() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A { place += 1 }
    }

    private mutating func expect(_ byte: UInt8) throws(ExpressionError) {
        skipBlanks()
        guard peek == byte else {
            throw ExpressionError(.formulaSyntax, "must have `\(Character(UnicodeScalar(byte)))` here", at: place)
        }
        place += 1
    }

    /// The operator that comes, and where it ends.
    private mutating func sign() -> (Expression.BinaryOperator, Int)? {
        skipBlanks()
        let rest = text[place...]
        for sign in ["<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "^"] where rest.starts(with: sign.utf8) {
            return Expression.BinaryOperator(rawValue: sign).map { ($0, place + sign.utf8.count) }
        }
        var words = self
        let word = words.name()
        guard word == "and" || word == "or" else { return nil }
        return Expression.BinaryOperator(rawValue: word).map { ($0, words.place) }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private mutating func name(with more: (UInt8) -> Bool = { _ in false }) -> String {
        let start = place
        while let byte = peek, Self.isOfName(byte) || more(byte) { place += 1 }
        return String(decoding: text[start..<place], as: UTF8.self)
    }

    /// `@meter-1.power`.
    private mutating func pointOfDevice() throws(ExpressionError) -> Expression {
        let at = place
        place += 1
        let device = name { $0 == UInt8(ascii: "-") }
        guard !device.isEmpty, peek == UInt8(ascii: ".") else {
            throw ExpressionError(
                .formulaSyntax, "must have a device and a point after `@`, for example @meter-1.power", at: at)
        }
        place += 1
        let point = name()
        guard !point.isEmpty else {
            throw ExpressionError(.formulaSyntax, "must have a point after `@\(device).`", at: at)
        }
        return .point(device: device, name: point, at: at)
    }

    /// `"running"`.
    private mutating func textLiteral() throws(ExpressionError) -> Expression {
        let at = place
        place += 1
        while let byte = peek, byte != UInt8(ascii: "\"") { place += 1 }
        let content = String(decoding: text[(at + 1)..<place], as: UTF8.self)
        try expect(UInt8(ascii: "\""))
        return .text(content, at: at)
    }

    /// A number, and its unit in quotes.
    private mutating func number() throws(ExpressionError) -> Expression {
        let start = place
        while let byte = peek, Self.isOfNumber(byte, after: place > start ? text[place - 1] : 0) { place += 1 }
        guard let number = Double(String(decoding: text[start..<place], as: UTF8.self)), number.isFinite else {
            throw ExpressionError(.formulaSyntax, "contains an invalid number", at: start)
        }
        skipBlanks()
        guard peek == UInt8(ascii: "'") else { return .number(number, unit: nil) }
        let unitStart = place + 1
        // Quotes are in the names of some units, within brackets.
        var brackets = 0
        place += 1
        while let byte = peek, byte != UInt8(ascii: "'") || brackets > 0 {
            if byte == UInt8(ascii: "[") { brackets += 1 }
            if byte == UInt8(ascii: "]") { brackets -= 1 }
            place += 1
        }
        let unit = String(decoding: text[min(unitStart, place)..<place], as: UTF8.self)
        try expect(UInt8(ascii: "'"))
        return .number(number, unit: unit)
    }

    private static func isOfNumber(_ byte: UInt8, after last: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): true
        case UInt8(ascii: "+"), UInt8(ascii: "-"): last == UInt8(ascii: "e") || last == UInt8(ascii: "E")
        default: false
        }
    }
}
