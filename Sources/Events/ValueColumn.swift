// Headgate
// SPDX-License-Identifier: Apache-2.0

/// What one point says in the rows of a block, in the shortest form that all its values have.
struct ValueColumn {
    struct Cell: Sendable {
        var value: Value
        var quality: Quality
        var reason: Reason
        /// Microseconds after the time of its event.
        var offset: Int64
    }

    /// The numbers are what readers go by: never change the meaning of one.
    private enum Form {
        /// 0: no row has a value.
        case nothing
        /// 1: whole numbers.
        case integers([Int64])
        /// 2: what, divided by a power of ten, is exactly the value.
        case decimals(exponent: Int, [Int64])
        /// 3: the eight bytes of each, least first, byte by byte over all rows.
        case doubles([UInt64])
        /// 4: places of words.
        case words
    }

    private let cells: [Cell]

    init(_ cells: [Cell]) {
        self.cells = cells
    }

    func write(to out: inout ByteWriter, words: inout Numbered<String>) {
        switch form {
        case .nothing: out.byte(0)
        case .integers(let integers):
            out.byte(1)
            out.differences(of: integers)
        case .decimals(let exponent, let mantissas):
            out.byte(2)
            out.byte(UInt8(exponent))
            out.differences(of: mantissas)
        case .doubles(let patterns):
            out.byte(3)
            for shift in stride(from: 0, to: 64, by: 8) {
                for pattern in patterns { out.byte(UInt8(truncatingIfNeeded: pattern >> UInt64(shift))) }
            }
        case .words:
            out.byte(4)
            out.differences(of: cells.map { Int64(Self.word($0.value, &words)) })
        }
        writeExceptions(to: &out, &words)
    }

    /// Rows whose value is not good, not there, or of another time.
    private func writeExceptions(to out: inout ByteWriter, _ words: inout Numbered<String>) {
        let exceptions = cells.enumerated().filter { $1.quality != .good || $1.offset != 0 || $1.value == .none }
        out.varint(UInt64(exceptions.count))
        var last = 0
        for (row, cell) in exceptions {
            out.varint(UInt64(row - last))
            last = row
            out.byte(cell.value == .none ? 0 : 1)
            var said = #"{"quality":"\#(cell.quality.name)""#
            if cell.reason != .none { said += #","reason":"\#(cell.reason.name)""# }
            out.varint(UInt64(words.number(of: said + "}")))
            out.zigzag(cell.offset)
        }
    }

    /// The place of a value among the words, which are JSON.
    private static func word(_ value: Value, _ words: inout Numbered<String>) -> Int {
        // A text is one already.
        if case .text(let place) = value { return Int(place) }
        var out = ByteWriter()
        out.json(value, of: Batch())
        return words.number(of: String(decoding: out.bytes, as: UTF8.self))
    }

    // MARK: Forms

    private var form: Form {
        switch cells.lazy.map(\.value).first(where: { $0 != .none }) {
        case nil, .some(.none): .nothing
        case .boolean, .text, .unsigned: .words
        case .integer: integers.map { .integers($0) } ?? .words
        case .single: decimals.map { .decimals(exponent: $0.exponent, $0.mantissas) } ?? .words
        case .number:
            decimals.map { .decimals(exponent: $0.exponent, $0.mantissas) } ?? doubles.map { .doubles($0) } ?? .words
        }
    }

    /// Rows without a value have the one before, which costs nothing.
    private var integers: [Int64]? {
        var integers: [Int64] = []
        for cell in cells {
            switch cell.value {
            case .integer(let integer): integers.append(integer)
            case .none: integers.append(integers.last ?? 0)
            default: return nil
            }
        }
        return integers
    }

    private var doubles: [UInt64]? {
        var patterns: [UInt64] = []
        for cell in cells {
            switch cell.value {
            case .number(let number): patterns.append(number.bitPattern)
            case .none: patterns.append(patterns.last ?? 0)
            default: return nil
            }
        }
        return patterns
    }

    private var decimals: (exponent: Int, mantissas: [Int64])? {
        var found: [(mantissa: Int64, exponent: Int)] = []
        for cell in cells {
            guard cell.value != .none else {
                found.append(found.last ?? (0, 0))
                continue
            }
            // Of single precision the fewest places are wanted; else those of the one before do, which are quicker found.
            var exponent = if case .single = cell.value { 0 } else { found.last?.exponent ?? 0 }
            var mantissa = Self.mantissa(cell.value, exponent)
            while mantissa == nil {
                exponent += 1
                guard exponent < Self.powers.count else { return nil }
                mantissa = Self.mantissa(cell.value, exponent)
            }
            found.append((mantissa ?? 0, exponent))
        }
        let exponent = found.lazy.map(\.exponent).max() ?? 0
        var mantissas: [Int64] = []
        for (mantissa, own) in found {
            let scaled = mantissa.multipliedReportingOverflow(by: Self.tens[exponent - own])
            guard !scaled.overflow, scaled.partialValue.magnitude < Self.exact else { return nil }
            mantissas.append(scaled.partialValue)
        }
        return (exponent, mantissas)
    }

    private static let tens: [Int64] = (0...15).map { exponent in (0..<exponent).reduce(1) { power, _ in power * 10 } }
    private static let powers = tens.map { Double($0) }
    /// The largest number up to which a double tells every integer from the next.
    private static let exact: UInt64 = 1 << 53

    /// What is, divided by a power of ten, exactly the value: of single precision, the shortest decimal that stands for it.
    @inline(__always)
    private static func mantissa(_ value: Value, _ exponent: Int) -> Int64? {
        let power = powers[exponent]
        let (scaled, isExact): (Double, Bool)
        switch value {
        case .number(let number):
            scaled = (number * power).rounded()
            isExact = scaled / power == number
        case .single(let number):
            scaled = (Double(number) * power).rounded()
            isExact = Float(scaled / power) == number
        default: return nil
        }
        // Zero has a sign, which a whole number has not.
        guard isExact, abs(scaled) < Double(exact), scaled != 0 || value.asNumber?.sign == .plus else { return nil }
        return Int64(scaled)
    }
}
