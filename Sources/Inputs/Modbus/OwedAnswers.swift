// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// Answers on a line that may still come.
///
/// An answer in RTU framing says which unit it is of and how long it is, not which request it is to. One that comes late
/// can so be told from that to a later request by its length alone: no request is sent whose answer could be taken for
/// one that is owed. A unit answers in the order it is asked, so that the data of a request of another length ends what it
/// owes. An exception does not: all of them are alike.
struct OwedAnswers {
    /// What an answer looks like: its function, and how many bytes it carries.
    private struct Shape: Hashable {
        var table: RegisterTable
        var bytes: Int

        init(_ request: ReadRequest) {
            table = request.table
            bytes = request.answerBytes
        }
    }

    /// Nothing is as late as that. A unit that ignores what it does not like, and so every probe, is asked as before then.
    private static let longest = Duration.seconds(10)
    /// By unit, when it was asked for what it owes.
    private var debts: [UInt8: [Shape: Moment]] = [:]

    /// A request was sent to which no answer came, or not its own.
    mutating func note(_ request: ReadRequest, unit: UInt8, at now: Moment) {
        debts[unit, default: [:]][Shape(request)] = now
    }

    var isEmpty: Bool { debts.isEmpty }

    func isOwed(by unit: UInt8) -> Bool { debts[unit] != nil }

    /// The unit has answered what it was asked.
    mutating func settle(unit: UInt8) {
        if !debts.isEmpty { debts[unit] = nil }
    }

    /// What to ask before `request`, so that its answer is its own; nil where nothing needs to be.
    /// - Returns: a request of a few registers at the same place.
    mutating func probe(before request: ReadRequest, unit: UInt8, at now: Moment) -> ReadRequest? {
        guard let owed = debts[unit]?.filter({ $0.value.duration(to: now) < Self.longest }) else {
            return nil
        }
        debts[unit] = owed.isEmpty ? nil : owed
        guard owed[Shape(request)] != nil else { return nil }
        var probe = request
        let most = request.table.holdsBits ? ModbusLimits.protocolBits : ModbusLimits.protocolRegisters
        for count in stride(from: 1, through: most, by: request.table.holdsBits ? 8 : 1) {
            probe.count = count
            if owed[Shape(probe)] == nil { return probe }
        }
        return probe
    }
}
