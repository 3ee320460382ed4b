// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Logging
import Waiting

/// Devices that describe themselves.
extension ModbusLink {
    /// - Returns: false where nobody is to be asked now.
    func seek(at now: Moment) -> Bool {
        guard let place = seekers.firstIndex(where: { $0.due <= now }) else { return false }
        wasSought = true
        switch seekers[place].step(over: &connection, silent: turns.silent + seekers.count) {
        case .partly: break
        case .failed(let change): tell(change, of: seekers[place])
        case .found(let found): begin(place, found)
        }
        return true
    }

    private func begin(_ place: Int, _ found: SunSpecFound) {
        let unit = seekers[place].device
        let models = found.models.map { "\($0.number)" }.joined(separator: " ")
        guard let device = describe(unit, found) else {
            let change = seekers[place].refuse(at: .now)
            if change != nil {
                logger.error(
                    .sunSpecModelsUnknown, "The gateway knows none of the SunSpec models of the device",
                    metadata: ["device": "\(unit.id)", "models": "\(models)"])
            }
            return tell(change, of: seekers[place])
        }
        let seeker = seekers.remove(at: place)
        let isSame = seeker.last?.points.map(\.series) == device.points.map(\.series)
        sameAgain = isSame ? min(sameAgain + 1, 1_000) : 0
        if !isSame {
            logger.notice(
                "SunSpec models read",
                metadata: ["device": "\(unit.id)", "models": "\(models)", "points": "\(device.points.count)"])
            withdraw(seeker.last, but: device)
        }
        satisfied[unit.number] = seeker
        pollers.append(
            DevicePoller(
                device, link: settings.name, cost: cost, presence: seeker.presence, settings: settings, start: .now))
        turns = LinkTurns(pollers.map(\.wish), now: .now)
    }

    /// What it had before and has no more.
    private func withdraw(_ last: ModbusDevice?, but device: ModbusDevice) {
        let kept = Set(device.points.map(\.series))
        var batch = Batch()
        for point in last?.points ?? [] where !kept.contains(point.series) {
            batch.readings.append(.bad(point.series, time: .now, .withdrawn))
        }
        batch.closeTelemetry(device: device.number, time: .now)
        collector.take(&batch)
    }

    private func tell(_ change: StatusChange?, of seeker: SunSpecSeeker) {
        guard let change else { return }
        log(change, of: seeker.device.id)
        var batch = Batch()
        for point in seeker.last?.points ?? [] { batch.readings.append(.bad(point.series, time: .now, .offline)) }
        batch.closeTelemetry(device: seeker.device.number, time: .now)
        batch.append(change, device: seeker.device.number, time: .now)
        collector.take(&batch)
    }

    /// Who did not answer may come back as another, with other registers in the same places.
    func seekAgain(where isMeant: (DevicePoller) -> Bool) {
        let now = Moment.now
        for place in pollers.indices.reversed() where isMeant(pollers[place]) {
            guard var seeker = satisfied.removeValue(forKey: pollers[place].device.number) else { continue }
            let gone = pollers.remove(at: place)
            seeker.begin(after: gone.device, gone.presence, at: now)
            seekers.append(seeker)
        }
        turns = LinkTurns(pollers.map(\.wish), now: now)
    }
}
