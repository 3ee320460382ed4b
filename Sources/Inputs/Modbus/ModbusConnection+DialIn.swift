// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Glibc
import Logging
import Modbus

/// On a link that devices dial, the connection in use is one over which the device has answered. Others wait, and one of them
/// takes its place only if the device does not answer over it any more, and answers over the other.
extension ModbusConnection {
    /// Asked before one request. Each may take as long as the longest wait for an answer.
    private static var mostAsked: Int { 2 }

    /// Sees to it that the connection in use is the device's.
    mutating func meetCallers(
        at port: DialInPort, for request: ReadRequest, unit: UInt8, pause: Int64
    ) throws(ModbusError) {
        try listen(at: port)
        callers?.accept()
        if context != nil {
            let (hasNew, isEmpty) = (callers?.hasNew ?? false, callers?.isEmpty ?? true)
            guard hasNew || timeouts > 0 && !isEmpty else { return }
            if stillAnswers(pause) {
                callers?.keepAsSpares()
                return
            }
        }
        for _ in 0..<Self.mostAsked {
            guard let caller = callers?.next() else { break }
            if takesOver(caller, port, request, unit, pause) { return }
        }
        guard context == nil else { return }
        let isCalled = !(callers?.isEmpty ?? true)
        let error = ModbusError(code: isCalled ? ETIMEDOUT : ENOTCONN)
        settings.monitor.disconnected(
            isCalled ? "a host connected, but no device responds on the connection" : "no device has dialled in",
            next: error.advice(at: settings.endpoint))
        lastFailure = error
        throw error
    }

    private mutating func listen(at port: DialInPort) throws(ModbusError) {
        guard callers == nil else { return }
        do throws(ModbusError) {
            callers = try DialInCallers(port, makeContext: settings.makeContext, refuse: settings.report)
        } catch {
            settings.monitor.disconnected("\(error)", next: error.advice(at: settings.endpoint))
            lastFailure = error
            throw error
        }
    }

    /// Whether the device answers over the connection in use what it answered last.
    private mutating func stillAnswers(_ pause: Int64) -> Bool {
        guard let (request, unit) = lastAnswered else { return false }
        do throws(ModbusError) {
            try askBeside(request, unit: unit, pause: pause)
        } catch {
            guard error.kind == .exception else {
                handle(error)
                return false
            }
        }
        timeouts = 0
        return true
    }

    /// Has the device answer over another connection, which then comes in use.
    private mutating func takesOver(
        _ caller: DialInCaller, _ port: DialInPort, _ request: ReadRequest, _ unit: UInt8, _ pause: Int64
    ) -> Bool {
        exchange(with: caller)
        do throws(ModbusError) {
            if let identity = port.identity {
                try prove(identity, pause)
            } else {
                try askBeside(request, unit: unit, pause: pause)
            }
        } catch {
            // An exception is an answer, also that of a converter whose device is off.
            guard port.identity == nil, error.kind == .exception else {
                exchange(with: caller)
                settle(caller, error)
                return false
            }
        }
        callers?.isDevice(caller)
        timeouts = 0
        lastFailure = nil
        isNew()
        logger.notice(
            "device dialled in", metadata: ["endpoint": "\(settings.endpoint)", "from": "\(caller.address)"])
        settings.monitor.dialledIn(.accepted)
        settings.monitor.connected()
        return true
    }

    /// What is known of a connection goes with it.
    private mutating func exchange(with caller: DialInCaller) {
        swap(&context, &caller.context)
        swap(&owed, &caller.owed)
        swap(&timeouts, &caller.timeouts)
    }

    private mutating func prove(_ identity: DialInPort.Identity, _ pause: Int64) throws(ModbusError) {
        let request = ReadRequest(
            table: RegisterTable(identity.table), address: identity.address, count: identity.words.count, points: [])
        try askBeside(request, unit: identity.unit, pause: pause)
        if words(of: request) != identity.words { throw .anotherDevice }
    }

    /// What becomes of a connection over which the device has not answered.
    private mutating func settle(_ caller: DialInCaller, _ error: ModbusError) {
        if error.isOfAnotherDevice { return settings.report(.wrongIdentity, caller.address) }
        guard error.kind != .disconnected, error.kind != .setup else {
            return settings.report(.closed, caller.address)
        }
        caller.timeouts += 1
        guard caller.timeouts < Self.timeoutsUntilHangUp else {
            return settings.report(.unproven(caller.timeouts, error), caller.address)
        }
        callers?.putBack(caller)
    }
}

extension ModbusLinkSettings {
    fileprivate func makeContext() throws(ModbusError) -> ModbusContext {
        try ModbusContext(endpoint, timeout: UInt32(clamping: timeout), answersAs: answersAs)
    }

    /// Reports a connection that is closed.
    fileprivate func report(_ refusal: DialInCallers.Refusal, _ address: NetworkAddress?) {
        guard let (reason, next) = Self.reason(of: refusal) else { return monitor.dialledIn(.closed) }
        monitor.dialledIn(.refused)
        let connection = address.map { "the connection from \($0)" } ?? "a connection"
        warnings.warn(.dialInRefused, of: name, "\(endpoint): \(connection) \(reason)", next: next)
    }

    private static func reason(of refusal: DialInCallers.Refusal) -> (reason: String, next: String)? {
        switch refusal {
        case .closed: nil
        case .notInRange:
            ("is refused: the address is not in `from`", "add its range to `from` if it is the device's")
        case .tooOften:
            (
                "is refused: other addresses than the device's make more than \(Int(DialInRate.perSecond)) connections a second",
                "write `from`, so that the device's addresses alone are accepted"
            )
        case .tooMany:
            ("is refused: too many others wait", "write `from`, so that the device's addresses alone are accepted")
        case .failed(let error): ("is refused: \(error)", "use fewer links, or raise the limit of open files")
        case .wrongIdentity:
            (
                "is refused: the `identity` registers do not match the configuration",
                "check which device connects, and `identity`"
            )
        case .unproven(let count, let error):
            (
                "is closed: \(count) requests over it failed, the last with: \(error)",
                "check the device behind it, its unit ID and `framing`"
            )
        }
    }
}
