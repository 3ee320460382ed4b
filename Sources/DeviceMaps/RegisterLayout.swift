// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

public enum RegisterType: String, Sendable, CaseIterable {
    case bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd16, bcd32, string

    /// Registers that one value takes; a string says its own.
    public var registers: Int {
        switch self {
        case .bool, .int16, .uint16, .bcd16, .string: 1
        case .int32, .uint32, .float32, .bcd32: 2
        case .int64, .uint64, .float64: 4
        }
    }

    var isNumber: Bool { self != .bool && self != .string }

    public var isInteger: Bool {
        switch self {
        case .int16, .uint16, .int32, .uint32, .int64, .uint64, .bcd16, .bcd32: true
        case .bool, .float32, .float64, .string: false
        }
    }
}

/// The order in which a value's bytes are sent. The letters are the bytes from the most significant, A, on;
/// 64-bit values continue the pattern.
public enum ByteOrder: String, Sendable, CaseIterable {
    case ABCD, CDAB, BADC, DCBA

    public var swapsBytes: Bool { self == .BADC || self == .DCBA }
    var reversesWords: Bool { self == .CDAB || self == .DCBA }
}

/// How a value lies in its registers.
public struct RegisterLayout: Sendable, Equatable {
    public var type: RegisterType
    public var order: ByteOrder
    /// The bits of an integer that count, from the least significant; nil for all.
    public var bits: ClosedRange<Int>?
    /// Registers of a string.
    public var length: Int
    /// Any NaN means "no value".
    public var absentNaN: Bool
    /// Values of all bits of the registers that mean "no value", where only some bits count.
    public var absentRegister: [UInt64] = []
    /// Of a string, where it lies otherwise than most do.
    public var text: TextLayout?

    public init(
        type: RegisterType, order: ByteOrder = .ABCD, bits: ClosedRange<Int>? = nil, length: Int = 1,
        absentNaN: Bool = false
    ) {
        self.type = type
        self.order = order
        self.bits = bits
        self.length = length
        self.absentNaN = absentNaN
    }

    /// The numbers that the registers can say; nil where there is no bound worth naming.
    var reach: ClosedRange<Double>? {
        if let bits, bits.count > 1 { return 0...Double(Self.mask(bits.count)) }
        switch type {
        case .int16: return Double(Int16.min)...Double(Int16.max)
        case .uint16: return 0...Double(UInt16.max)
        case .int32: return Double(Int32.min)...Double(Int32.max)
        case .uint32: return 0...Double(UInt32.max)
        case .uint64: return 0...Double(UInt64.max)
        case .bcd16: return 0...9_999
        case .bcd32: return 0...99_999_999
        case .bool, .int64, .float32, .float64, .string: return nil
        }
    }

    /// Registers that the value takes.
    public var registers: Int { type == .string ? length : type.registers }

    /// Reads the value from its registers.
    /// - Parameters:
    ///   - words: exactly `registers` of them; where there are fewer, the reading is bad.
    ///   - absent: raw values that mean "no value", as they lie in the type's width.
    ///   - batch: keeps the text of a string.
    public func decode(
        _ words: UnsafeBufferPointer<UInt16>, absent: [UInt64], into batch: inout Batch
    ) -> (value: Value, quality: Quality, reason: Reason) {
        guard words.count >= registers else { return (.none, .bad, .tooShort) }
        if type == .string {
            guard let text = (text ?? TextLayout()).text(words.prefix(length)) else { return (.none, .bad, .notText) }
            return (batch.text(text), .good, .none)
        }
        let raw = assemble(words)
        if bits != nil, absentRegister.contains(raw) { return (.none, .absent, .none) }
        let field = bits.map { (raw >> UInt64($0.lowerBound)) & Self.mask($0.count) } ?? raw
        if absent.contains(field) { return (.none, .absent, .none) }
        return interpret(field)
    }

    // Called once, for each reading.
    @inline(__always)
    private func interpret(_ raw: UInt64) -> (value: Value, quality: Quality, reason: Reason) {
        switch type {
        case .bool: return (.boolean(raw != 0), .good, .none)
        // A field of one bit is asked for with `bit` and is a yes or no.
        case _ where bits?.count == 1: return (.boolean(raw == 1), .good, .none)
        case _ where bits != nil: return (Value(raw), .good, .none)
        case .int16: return (.integer(Int64(Int16(truncatingIfNeeded: raw))), .good, .none)
        case .int32: return (.integer(Int64(Int32(truncatingIfNeeded: raw))), .good, .none)
        case .int64: return (.integer(Int64(bitPattern: raw)), .good, .none)
        case .uint16, .uint32: return (.integer(Int64(raw)), .good, .none)
        case .uint64: return (Value(raw), .good, .none)
        case .float32: return float(Float(bitPattern: UInt32(truncatingIfNeeded: raw)))
        case .float64: return float(Double(bitPattern: raw))
        case .bcd16, .bcd32:
            guard let value = Self.decimal(raw) else { return (.none, .bad, .notDecimal) }
            return (.integer(value), .good, .none)
        case .string: return (.none, .bad, .wrongType)
        }
    }

    private func float(_ value: Float) -> (Value, Quality, Reason) {
        if value.isFinite { return (.single(value), .good, .none) }
        return value.isNaN && absentNaN ? (.none, .absent, .none) : (.none, .bad, .notANumber)
    }

    private func float(_ value: Double) -> (Value, Quality, Reason) {
        if value.isFinite { return (.number(value), .good, .none) }
        return value.isNaN && absentNaN ? (.none, .absent, .none) : (.none, .bad, .notANumber)
    }

    /// The registers as one number, most significant byte first.
    @inline(__always)
    private func assemble(_ words: UnsafeBufferPointer<UInt16>) -> UInt64 {
        var raw: UInt64 = 0
        let count = registers
        for index in 0..<count {
            let word = words[order.reversesWords ? count - 1 - index : index]
            raw = raw << 16 | UInt64(order.swapsBytes ? word.byteSwapped : word)
        }
        return raw
    }

    /// Lays a raw number out in registers: what `decode` undoes. For simulators and proofs.
    public func registers(of raw: UInt64) -> [UInt16] {
        let count = registers
        let words = (0..<count).map { index in
            let word = UInt16(truncatingIfNeeded: raw >> UInt64(16 * (count - 1 - index)))
            return order.swapsBytes ? word.byteSwapped : word
        }
        return order.reversesWords ? words.reversed() : words
    }

    /// The bit pattern of a number in this type, nearest to it; nil where the type holds no numbers.
    public func pattern(of number: Double) -> UInt64? {
        switch type {
        case .int16: UInt64(UInt16(bitPattern: Int16(clamping: Int64(saturating: number))))
        case .int32: UInt64(UInt32(bitPattern: Int32(clamping: Int64(saturating: number))))
        case .int64: UInt64(bitPattern: Int64(saturating: number))
        case .uint16: UInt64(UInt16(clamping: Int64(saturating: number)))
        case .uint32: UInt64(UInt32(clamping: Int64(saturating: number)))
        case .uint64: number >= 0x1p64 ? .max : number > 0 ? UInt64(number.rounded()) : 0
        case .float32: UInt64(Float(number).bitPattern)
        case .float64: number.bitPattern
        case .bcd16: Self.binaryCodedDecimal(min(max(number, 0), 9_999))
        case .bcd32: Self.binaryCodedDecimal(min(max(number, 0), 99_999_999))
        case .bool: number == 0 ? 0 : 1
        case .string: nil
        }
    }

    /// The bit pattern of a whole number of 64 bits, exactly; nil where this is another type, or cannot hold it.
    func pattern(ofWhole value: Value) -> UInt64? {
        switch (type, value) {
        case (.int64, .integer(let integer)): UInt64(bitPattern: integer)
        case (.uint64, .integer(let integer)): UInt64(exactly: integer)
        case (.uint64, .unsigned(let number)): number
        default: nil
        }
    }

    /// The number that a bit pattern of this type stands for.
    public func number(of pattern: UInt64) -> Double? {
        var batch = Batch()
        return registers(of: pattern).withUnsafeBufferPointer { decode($0, absent: [], into: &batch) }.value.asNumber
    }

    private static func mask(_ bits: Int) -> UInt64 {
        bits >= 64 ? .max : (1 << UInt64(bits)) - 1
    }

    private static func decimal(_ raw: UInt64) -> Int64? {
        var value: Int64 = 0
        for shift in stride(from: UInt64(28), through: 0, by: -4) {
            let digit = Int64(raw >> shift & 0xF)
            guard digit < 10 else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    private static func binaryCodedDecimal(_ number: Double) -> UInt64 {
        var rest = UInt64(number)
        var raw: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 28, by: 4) {
            raw |= (rest % 10) << shift
            rest /= 10
        }
        return raw
    }
}

extension Int64 {
    /// The nearest whole number there is room for; 0 for NaN.
    public init(saturating number: Double) {
        if number.isNaN {
            self = 0
        } else if number >= 0x1p63 {
            self = .max
        } else if number < -0x1p63 {
            self = .min
        } else {
            self = Int64(number.rounded())
        }
    }
}
