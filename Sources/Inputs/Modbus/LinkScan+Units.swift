// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Modbus

/// Which units there are, also behind a gateway that answers for those that are not.
extension LinkScan {
    /// Units that hardly any bus has: who gives data for both of these is a device by itself.
    static let unlikely: [UInt8] = [213, 199]
    /// Registers that tell a unit from those that are not there, where these answer too: where many devices have some, and
    /// where SunSpec begins.
    static let probed = [0, 1, 100, 256, 512, 1_000, 2_000, 3_000, 4_000, 4_096, 8_192, 30_000, 40_000, 50_000]
    /// The most units that are searched in full where every unit answers as unit IDs without a device do.
    private static let fewUnits = 8
    /// Each probe in four tables.
    static let mostProbes = 4 * (probed.count + 1)

    /// A device by itself often gives data for every number. An exception says less: some gateways give one for each unit
    /// that is not there.
    mutating func lookAtAnybody(_ ask: Ask, _ outcome: Outcome) {
        let place = Self.unlikely.firstIndex(of: ask.unit) ?? 0
        if place == 0, ask.probe == 0, outcome == .silence { return }
        var strangers = state.strangers ?? [[], []]
        strangers[place].append(outcome)
        state.strangers = strangers
        var next = ask
        if place == 0 {
            next.unit = Self.unlikely[1]
        } else {
            if strangers[0].last == .data, outcome == .data { return beginAlone() }
            next.unit = Self.unlikely[0]
            next.probe += 1
        }
        if next.probe < probes.count { state.todo.append(next) }
    }

    private mutating func beginAlone() {
        state.strangers = nil
        state.todo = [Ask(kind: .unit, unit: wish.units[0])]
        note("responds to every unit ID: it is a single device", of: wish.units[0])
    }

    /// An exception is an answer too, unless units that are not there give the same.
    mutating func lookAtUnit(_ ask: Ask, _ outcome: Outcome) {
        guard let strangers = state.strangers else {
            if outcome != .silence { begin(ask.unit) }
            return
        }
        guard outcome != .silence else { return }
        let known = strangers.compactMap { $0.indices.contains(ask.probe) ? $0[ask.probe] : nil }
        guard known.contains(outcome) else { return begin(ask.unit) }
        var next = ask
        next.probe += 1
        if next.probe < probes.count { state.todo.append(next) } else { state.doubtful.append(ask.unit) }
    }

    /// Where nothing tells a unit from those that are not there, registers do.
    mutating func beginDoubtful() {
        guard state.found.isEmpty, !state.doubtful.isEmpty, !state.hasBegunDoubtful else { return }
        state.hasBegunDoubtful = true
        let units = state.doubtful.count <= Self.fewUnits ? state.doubtful : Array(state.doubtful.prefix(1))
        for unit in units.reversed() {
            begin(unit)
            note("responds like unit IDs without a device: it may be the only device, or it may not exist", of: unit)
        }
        state.doubtful.removeAll { units.contains($0) }
    }

    func probe(_ place: Int) -> ReadRequest {
        let probe = probes.indices.contains(place) ? probes[place] : (.holding, 0)
        return ReadRequest(table: probe.table, address: UInt16(clamping: probe.address), count: 1, points: [])
    }
}
