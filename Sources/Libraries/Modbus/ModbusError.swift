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
    /// The `errno` libmodbus left, or a code of this file's.
    public let code: Int32
    /// The exception code of the answer (MODBUS Application Protocol V1.1b3, 7), or nil if there was none.
    public private(set) var exceptionCode: Int32?
    /// What is wrong, where that says more than the code.
    private let detail: String?
    /// Whether registers by which a device is known hold what they should not.
    public private(set) var isOfAnotherDevice = false

    public init(code: Int32) {
        self.init(code: code, Self.kind(of: code))
    }

    private init(code: Int32, _ kind: Kind, detail: String? = nil) {
        self.code = code
        self.kind = kind
        self.detail = detail
        if kind == .exception { exceptionCode = code - MODBUS_ENOBASE }
    }

    /// An answer's exception code. Makers have codes of their own beside those of the standard.
    public init(exception: UInt8) {
        self.init(code: MODBUS_ENOBASE + ((1...11).contains(exception) ? Int32(exception) : 14), .exception)
        exceptionCode = Int32(exception)
    }

    // The system has no `errno` for these.
    private static let unknownHostCode = MODBUS_ENOBASE + 1_000
    private static let connectTimeoutCode = MODBUS_ENOBASE + 1_001
    private static let noTerminalCode = MODBUS_ENOBASE + 1_002

    /// A host name that no address is known of.
    static func unknownHost(_ host: String) -> ModbusError {
        ModbusError(code: unknownHostCode, .disconnected, detail: "no address of the host “\(host)” is known")
    }

    /// A connection to which the other end said neither yes nor no.
    static var connectTimeout: ModbusError {
        ModbusError(code: connectTimeoutCode, .disconnected, detail: "the connection was not answered in time")
    }

    /// A file that is no serial line.
    static func noTerminal(_ path: String) -> ModbusError {
        ModbusError(code: noTerminalCode, .setup, detail: "\(path) is no serial line")
    }

    /// A serial line that cannot be set to its speed.
    init(wanted: Int32, speed: Int32) {
        self.init(
            code: EINVAL, .setup,
            detail: "the line is set to \(wanted) baud, but the adapter uses "
                + (speed == 0 ? "no such speed" : "\(speed) of it") + ": use a speed that both ends can")
    }

    /// Registers by which a device is known that hold something else (EMBBADDATA).
    public static var anotherDevice: ModbusError {
        var error = ModbusError(code: MODBUS_ENOBASE + 13)
        error.isOfAnotherDevice = true
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

    /// The device does not know the function at all (exception 0x01, ibid.).
    public var isOfFunction: Bool { exceptionCode == 1 }

    /// The device does not have all that was asked for, or not in one piece (exceptions 0x02 and 0x03, ibid.).
    public var isOfAddresses: Bool { exceptionCode == 2 || exceptionCode == 3 }

    /// A gateway in between says that the device does not answer (exceptions 0x0A and 0x0B, ibid.).
    public var isOfGateway: Bool { exceptionCode == 10 || exceptionCode == 11 }

    public var description: String {
        if let detail { return detail }
        if kind == .otherUnit { return "another unit responded than the unit of the request" }
        if code == EMFILE || code == ENFILE {
            return "no file descriptor is left below 1024, libmodbus can watch no more: use fewer links"
        }
        if let exceptionCode {
            let name = code <= MODBUS_ENOBASE + 11 ? String(cString: modbus_strerror(code)) : "not in the standard"
            return "exception \(exceptionCode) (\(name))"
        }
        return String(cString: modbus_strerror(code))
    }
}

// MARK: Causes

extension ModbusError {
    /// What brought it about: of each, something else is to be done.
    public enum Cause: String, Sendable, CaseIterable {
        case unknownHost = "unknown_host"
        case connectionRefused = "connection_refused"
        case connectTimeout = "connect_timeout"
        case hostUnreachable = "host_unreachable"
        /// No device has dialled in.
        case notConnected = "not_connected"
        /// The other end closed the connection.
        case disconnected
        case noSuchDevice = "no_such_device"
        case permissionDenied = "permission_denied"
        case noDescriptors = "no_file_descriptors"
        case setup = "link_setup"
        case timeout
        case garbledAnswer = "garbled_answer"
        case otherUnit = "other_unit"
        case illegalFunction = "illegal_function"
        case illegalAddress = "illegal_address"
        case illegalValue = "illegal_value"
        case deviceFailure = "device_failure"
        case acknowledge
        case deviceBusy = "device_busy"
        case negativeAcknowledge = "negative_acknowledge"
        case memoryParity = "memory_parity"
        case gatewayPath = "gateway_path"
        case gatewayTarget = "gateway_target"
        /// One that is not in the standard.
        case exception
    }

    public var cause: Cause {
        switch kind {
        case .exception: Self.exceptions[exceptionCode ?? 0] ?? .exception
        case .timeout: .timeout
        case .garbled: .garbledAnswer
        case .otherUnit: .otherUnit
        case .disconnected:
            switch code {
            case Self.unknownHostCode: .unknownHost
            case Self.connectTimeoutCode: .connectTimeout
            case ECONNREFUSED: .connectionRefused
            case EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN: .hostUnreachable
            case ENOTCONN: .notConnected
            default: .disconnected
            }
        case .setup:
            switch code {
            case ENOENT, ENXIO, ENODEV, Self.noTerminalCode: .noSuchDevice
            case EACCES, EPERM: .permissionDenied
            case EMFILE, ENFILE: .noDescriptors
            default: .setup
            }
        }
    }

    /// MODBUS Application Protocol V1.1b3, 7.
    private static let exceptions: [Int32: Cause] = [
        1: .illegalFunction, 2: .illegalAddress, 3: .illegalValue, 4: .deviceFailure, 5: .acknowledge, 6: .deviceBusy,
        7: .negativeAcknowledge, 8: .memoryParity, 10: .gatewayPath, 11: .gatewayTarget,
    ]

    /// A short stable name, for metrics and the `reason` of a bad reading.
    public var name: String { cause.rawValue }

    /// Of a port at which the gateway itself listens.
    private var adviceOfPort: String? {
        switch code {
        case EACCES, EPERM: "ports below 1024 need the capability CAP_NET_BIND_SERVICE: use a port above"
        case EADDRINUSE: "another process listens at the port: use another port"
        case EADDRNOTAVAIL: "the address is not one of this machine (ip addr): use 0.0.0.0 for all of them"
        default: nil
        }
    }

    /// What to do about it.
    public func advice(at endpoint: ModbusEndpoint) -> String {
        if endpoint.isDialIn, let advice = adviceOfPort { return advice }
        return switch cause {
        case .unknownHost:
            "check the spelling of the host and this machine's name service, or write the address in numbers"
        case .connectionRefused:
            "the host is there, and nothing listens at the port: check the port, and whether Modbus TCP is switched on"
        case .connectTimeout: "check the address, whether the device is on, the network between, and firewalls"
        case .hostUnreachable: "check the address, and this machine's network and routes"
        case .notConnected: "check the address and the port that the device dials"
        case .disconnected:
            endpoint.isSerial
                ? "check whether the adapter is plugged in"
                : "check how many connections the device takes, and whether this machine's address is allowed"
        case .noSuchDevice: "check `rtu` and the adapter: ls /dev/serial/by-id shows those that are plugged in"
        case .permissionDenied: "give the gateway's user the group of the device file, mostly dialout"
        case .noDescriptors: "use fewer links, or raise the limit of open files"
        case .setup: "check the speed, the parity and the adapter"
        case .timeout:
            endpoint.isSerial
                ? "check the unit ID, the speed, the parity, the wiring and `timeout`; headgate scan LINK --find-line tries speeds"
                : "check the unit ID, `framing` and `timeout`; headgate scan LINK shows the units that respond"
        case .garbledAnswer:
            endpoint.isSerial
                ? "check the speed, the parity, the termination, and for a second master" : "check `framing`"
        case .otherUnit: "write response_unit_id at the link if the device always responds with another unit ID"
        case .illegalFunction: "check `table`: the device does not know the function for it"
        case .illegalAddress:
            "check `address` (manuals often count from 1 or from 40001) and the unit ID; headgate read --raw tries the neighbours"
        case .illegalValue:
            "write limits: { registers: 1 } in the map and raise it: the device may return fewer registers in one response"
        case .deviceFailure, .memoryParity: "check the device: it reports an internal fault"
        case .acknowledge, .deviceBusy, .negativeAcknowledge:
            "poll less often, or write a `turnaround_delay` in the map"
        case .gatewayPath, .gatewayTarget:
            "the Modbus gateway responded, but not the device behind it: check the unit ID and its line"
        case .exception: "look the number up in the device's manual"
        }
    }
}
