// Headgate
// SPDX-License-Identifier: Apache-2.0

import CModbus
import Glibc

/// Why a Modbus request brought no data.
public struct ModbusError: Error, Equatable, CustomStringConvertible {
    /// What the caller should do about it.
    public enum Kind: Sendable {
        /// The device answered with an exception: the link is sound, this request is not wanted.
        case exception
        /// Nothing came in time: the next request may work.
        case timeout
        /// An answer came that is not ours or is damaged: connect again over TCP.
        case garbled
        /// Another unit answered than the one that was asked.
        case otherUnit
        /// The line or connection is gone: close and connect again.
        case disconnected
        /// The link cannot be set up as configured (no such device, not allowed, no descriptors left).
        case setup
    }

    public let kind: Kind
    /// The `errno` libmodbus left.
    public let code: Int32
    /// What is wrong, where that says more than the code.
    private let detail: String?
    /// What registers hold by which a device is known, where it is another's.
    public private(set) var otherDevice: [UInt16]?

    public init(code: Int32) {
        self.code = code
        detail = nil
        kind = Self.kind(of: code)
    }

    /// An answer's exception code; one that no device should give is a garbled answer (EMBBADEXC).
    init(exception: UInt8) {
        self.init(code: MODBUS_ENOBASE + ((1...11).contains(exception) ? Int32(exception) : 14))
    }

    /// A serial line that cannot be set to its speed.
    init(wanted: Int32, speed: Int32) {
        code = EINVAL
        kind = .setup
        detail =
            "the line is set to \(wanted) baud, and the adapter makes "
            + (speed == 0 ? "no such speed" : "\(speed) of it") + ": use a speed that both ends can"
    }

    /// Registers by which a device is known that hold something else (EMBBADDATA).
    public static func otherDevice(_ words: [UInt16]) -> ModbusError {
        var error = ModbusError(code: MODBUS_ENOBASE + 13)
        error.otherDevice = words
        return error
    }

    /// An answer from another unit than the one that was asked (EMBBADSLAVE).
    public static var otherUnit: ModbusError { ModbusError(code: MODBUS_ENOBASE + 17) }

    /// An answer that is damaged, or to something else (EMBBADCRC).
    public static var garbled: ModbusError { ModbusError(code: MODBUS_ENOBASE + 12) }

    /// An answer of which nobody knows what it is to (EMBBADDATA).
    public static var ambiguous: ModbusError { ModbusError(code: MODBUS_ENOBASE + 13) }

    private static func kind(of code: Int32) -> Kind {
        // libmodbus reports exception code n as MODBUS_ENOBASE + n (modbus.h, "EMBX…").
        if code > MODBUS_ENOBASE, code <= MODBUS_ENOBASE + 11 { return .exception }
        // EMBBADCRC … EMBBADSLAVE follow the last exception.
        if code == MODBUS_ENOBASE + 17 { return .otherUnit }
        if code > MODBUS_ENOBASE + 11, code <= MODBUS_ENOBASE + 17 { return .garbled }
        switch code {
        case ETIMEDOUT: return .timeout
        case ENOENT, EACCES, EPERM, EMFILE, ENFILE, EINVAL, ENOMEM, ENXIO, ENODEV: return .setup
        default: return .disconnected
        }
    }

    /// The exception code of the answer (MODBUS Application Protocol V1.1b3, 7), or nil where there was none.
    public var exceptionCode: Int32? {
        kind == .exception ? code - MODBUS_ENOBASE : nil
    }

    /// The device does not know the function at all (exception 0x01, ibid.).
    public var isOfFunction: Bool { exceptionCode == 1 }

    /// The device does not have all that was asked for, or not in one piece (exceptions 0x02 and 0x03, ibid.).
    public var isOfAddresses: Bool { exceptionCode == 2 || exceptionCode == 3 }

    /// A gateway in between says that the device does not answer (exceptions 0x0A and 0x0B, ibid.).
    public var isOfGateway: Bool { exceptionCode == 10 || exceptionCode == 11 }

    /// A short stable name, for metrics and the `reason` of a bad reading.
    public var name: String {
        switch kind {
        case .exception: Self.exceptionNames[exceptionCode ?? 0] ?? "exception"
        case .timeout: "timeout"
        case .garbled: "garbled_answer"
        case .otherUnit: "other_unit"
        case .disconnected: "disconnected"
        case .setup: "link_setup"
        }
    }

    private static let exceptionNames: [Int32: String] = [
        1: "illegal_function", 2: "illegal_address", 3: "illegal_value", 4: "device_failure", 5: "acknowledge",
        6: "device_busy", 7: "negative_acknowledge", 8: "memory_parity", 10: "gateway_path", 11: "gateway_target",
    ]

    public var description: String {
        if let detail { return detail }
        if kind == .otherUnit { return "another unit answered than the one that was asked" }
        if code == EMFILE || code == ENFILE {
            return "no file descriptor is left below 1024, libmodbus can watch no more: use fewer links"
        }
        return String(cString: modbus_strerror(code))
    }
}
