// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Modbus

/// One connection that was made to a port that a device dials, and what is owed over it.
final class DialInCaller {
    let address: NetworkAddress
    /// Nil while the link uses it.
    var context: ModbusContext?
    var owed = OwedAnswers()
    /// How many requests brought no answer.
    var timeouts = 0
    /// Whether the device answered over another connection since this one was made: then it is needed only once that is silent.
    var isSpare = false

    init(_ address: NetworkAddress, _ context: consuming ModbusContext) {
        self.address = address
        self.context = consume context
    }
}

/// The connections made to a port that a device dials. Each waits until the device does not answer over the one in use, so
/// that a stranger who connects takes nothing from it.
struct DialInCallers: ~Copyable {
    /// Why a connection is closed.
    enum Refusal {
        case notInRange, tooOften, tooMany, failed(ModbusError), wrongIdentity, unproven(Int, ModbusError), closed
    }

    /// Waiting at a time: each takes a file descriptor.
    private static let most = 4
    /// Taken from the system before a request; the rest waits for the next.
    private static let mostAtOnce = 256

    private let listener: DialInListener
    private let port: DialInPort
    private let makeContext: () throws(ModbusError) -> ModbusContext
    private let refuse: (Refusal, NetworkAddress?) -> Void
    private var waiting: [DialInCaller] = []
    /// From where the device dialled last.
    private var known: NetworkAddress?
    private var rate = DialInRate()

    init(
        _ port: DialInPort, makeContext: @escaping () throws(ModbusError) -> ModbusContext,
        refuse: @escaping (Refusal, NetworkAddress?) -> Void
    ) throws(ModbusError) {
        listener = try DialInListener(host: port.host, port: port.port)
        self.port = port
        self.makeContext = makeContext
        self.refuse = refuse
    }

    var isEmpty: Bool { waiting.isEmpty }

    /// Whether one was made since the device answered last.
    var hasNew: Bool { waiting.contains { !$0.isSpare } }

    /// Takes the connections that were made since the last call, and drops those that were closed meanwhile.
    mutating func accept() {
        dropClosed()
        for _ in 0..<Self.mostAtOnce {
            let accepted: Int32?
            do throws(ModbusError) {
                accepted = try listener.accept()
            } catch {
                return refuse(.failed(error), nil)
            }
            guard let descriptor = accepted else { return }
            guard let address = NetworkAddress(peerOf: descriptor) else {
                close(descriptor)
                continue
            }
            guard port.ranges.isEmpty || port.ranges.contains(where: { $0.contains(address) }) else {
                close(descriptor)
                refuse(.notInRange, address)
                continue
            }
            // Connections from the device's own address are not limited: others may share it.
            guard known == nil || address == known || rate.allowsOne(at: .now) else {
                close(descriptor)
                refuse(.tooOften, address)
                continue
            }
            keep(descriptor, address)
        }
    }

    private mutating func dropClosed() {
        waiting.removeAll { caller in
            guard caller.context?.isClosedByPeer ?? true else { return false }
            refuse(.closed, caller.address)
            return true
        }
    }

    private mutating func keep(_ descriptor: Int32, _ address: NetworkAddress) {
        do throws(ModbusError) {
            let context = try makeContext()
            context.adopt(descriptor)
            let caller = DialInCaller(address, context)
            if caller.context?.isClosedByPeer ?? true { return refuse(.closed, address) }
            guard makeRoom(for: address) else { return refuse(.tooMany, address) }
            waiting.append(caller)
        } catch {
            close(descriptor)
            refuse(.failed(error), address)
        }
    }

    /// One makes room over which the device answers elsewhere, or one that was asked in vain, from the same address first: a
    /// device that dials again may have left its last connection open. One that was not asked yet stays.
    private mutating func makeRoom(for address: NetworkAddress) -> Bool {
        guard waiting.count >= Self.most else { return true }
        func worth(_ caller: DialInCaller) -> (Int, Int, Int) {
            (caller.isSpare ? 0 : 1, caller.address == address ? 0 : 1, -caller.timeouts)
        }
        let place = waiting.indices.filter { waiting[$0].isSpare || waiting[$0].timeouts > 0 }
            .min { worth(waiting[$0]) < worth(waiting[$1]) }
        guard let place else { return false }
        refuse(.tooMany, waiting.remove(at: place).address)
        return true
    }

    /// The one that is the device's most likely.
    mutating func next() -> DialInCaller? {
        let place = waiting.indices.min { rank(waiting[$0]) < rank(waiting[$1]) }
        return place.map { waiting.remove(at: $0) }
    }

    private func rank(_ caller: DialInCaller) -> (Int, Int, Int) {
        (caller.isSpare ? 1 : 0, caller.timeouts, caller.address == known ? 0 : 1)
    }

    mutating func putBack(_ caller: DialInCaller) { waiting.append(caller) }

    mutating func isDevice(_ caller: DialInCaller) { known = caller.address }

    /// After an answer over the connection in use.
    func keepAsSpares() {
        for caller in waiting { caller.isSpare = true }
    }
}
