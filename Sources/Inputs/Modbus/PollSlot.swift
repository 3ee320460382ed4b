// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What is needed of a point for each of its readings: small and trivially copied, where a point would retain and
/// release what it refers to.
struct PollSlot {
    /// The layouts that most points have are read here; they are no more than a number as it came.
    enum Form {
        case uint16, int16, uint32, int32, float32, other
    }

    var series: SeriesNumber
    var address: UInt16
    var form: Form
    var isCritical: Bool

    init(_ point: ModbusDevice.Point) {
        series = point.series
        address = point.source.address
        form = Form(point.source)
        isCritical = point.lane == .critical
    }

    /// What the registers from `offset` on say; nil where the whole of the point's source is needed to tell.
    @inline(__always)
    func value(_ registers: UnsafeBufferPointer<UInt16>, at offset: Int) -> Value? {
        switch form {
        case .uint16: return .integer(Int64(registers[offset]))
        case .int16: return .integer(Int64(Int16(bitPattern: registers[offset])))
        case .uint32: return .integer(Int64(Self.two(registers, offset)))
        case .int32: return .integer(Int64(Int32(bitPattern: Self.two(registers, offset))))
        case .float32:
            let number = Float(bitPattern: Self.two(registers, offset))
            return number.isFinite ? .single(number) : nil
        case .other: return nil
        }
    }

    @inline(__always)
    private static func two(_ registers: UnsafeBufferPointer<UInt16>, _ offset: Int) -> UInt32 {
        UInt32(registers[offset]) << 16 | UInt32(registers[offset + 1])
    }
}

extension PollSlot.Form {
    init(_ source: RegisterSource) {
        let layout = source.layout
        guard !source.table.holdsBits, source.scaleFactor == nil, source.absent.isEmpty, layout.bits == nil,
            layout.order == .ABCD
        else {
            self = .other
            return
        }
        self =
            switch layout.type {
            case .uint16: .uint16
            case .int16: .int16
            case .uint32: .uint32
            case .int32: .int32
            case .float32: .float32
            default: .other
            }
    }
}
