// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Modbus
import Waiting

/// A unit that is to say itself what it has.
public struct SunSpecDevice: Sendable {
    public var id: String
    public var number: DeviceNumber
    public var unit: UInt8

    public init(id: String, number: DeviceNumber, unit: UInt8) {
        self.id = id
        self.number = number
        self.unit = unit
    }
}

/// Asks a SunSpec device what it has, a request at a time and between the polls of others, until it says so.
struct SunSpecSeeker {
    /// What a request was good for.
    enum Step {
        case partly
        /// It has not said it, and is asked again later.
        case failed(StatusChange?)
        case found(SunSpecFound)
    }

    /// Between two requests: whoever is polled on the link is not to notice.
    private static let pause = Duration.milliseconds(50)

    let device: SunSpecDevice
    /// As it was read before.
    private(set) var last: ModbusDevice?
    private var search = SunSpecSearch()
    private var retryPause = Backoff(base: .seconds(5), cap: .seconds(60))
    private(set) var presence = DevicePresence()
    private(set) var due: Moment

    init(_ device: SunSpecDevice, at now: Moment) {
        self.device = device
        due = now
    }

    /// - Parameter silent: how many units of the link do not answer, this one included: they share what asking costs.
    mutating func step(over connection: inout ModbusConnection, silent: Int) -> Step {
        guard let request = search.request else { return .found(search.found) }
        let asked = Moment.now
        let answer = connection.read(request, unit: device.unit)
        due = .now + Self.pause
        if let error = answer.error, !error.isOfFunction, !error.isOfAddresses {
            // Busy, or gone: what it has is not told by that.
            let rest = LinkTurns.rest(after: asked.duration(to: .now), silent: silent)
            let change = presence.failed(at: answer.time, Reason(error))
            search.restart()
            due = .now + max(retryPause.next(), rest)
            return .failed(change)
        }
        search.take(answer.error == nil ? connection.words(of: request) : nil)
        guard search.request == nil else { return .partly }
        return search.found.models.isEmpty ? .failed(refuse(at: answer.time)) : .found(search.found)
    }

    /// Nothing of what it says can be read: it may be another device tomorrow.
    mutating func refuse(at time: Timestamp) -> StatusChange? {
        search = SunSpecSearch()
        due = .now + retryPause.next()
        return presence.cutOff(since: time, .notSunSpec)
    }

    /// Asks it anew what it has, after it was read as `last`.
    mutating func begin(after last: ModbusDevice, _ presence: DevicePresence, at now: Moment) {
        self.last = last
        search = SunSpecSearch()
        due = now
        // One that says what it has and then answers no poll is not asked without end.
        if presence.hasAnswered { retryPause.reset() } else { due += retryPause.next() }
        self.presence = presence
    }
}
