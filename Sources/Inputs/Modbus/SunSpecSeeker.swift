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
    private var search = SunSpecSearch()
    private var retryPause = Backoff(base: .seconds(5), cap: .seconds(60))
    private var presence: DevicePresence
    private(set) var due: ContinuousClock.Instant

    /// - Parameter presence: what is known of the device from before.
    init(_ device: SunSpecDevice, presence: DevicePresence = DevicePresence(), at now: ContinuousClock.Instant) {
        self.device = device
        self.presence = presence
        due = now
    }

    mutating func step(over connection: inout ModbusConnection) -> Step {
        guard let request = search.request else { return .found(search.found) }
        let answer = connection.read(request, unit: device.unit)
        due = .now + Self.pause
        if let error = answer.error, error.kind != .exception || error.isOfGateway {
            return .failed(again(presence.failed(at: answer.time, Reason(error))))
        }
        search.take(answer.error == nil ? connection.words(of: request) : nil)
        guard search.request == nil else { return .partly }
        return search.found.models.isEmpty ? .failed(refuse(at: answer.time)) : .found(search.found)
    }

    /// Nothing of what it says can be read: it may be another device tomorrow.
    mutating func refuse(at time: Timestamp) -> StatusChange? {
        again(presence.cutOff(since: time, .notSunSpec))
    }

    private mutating func again(_ change: StatusChange?) -> StatusChange? {
        search = SunSpecSearch()
        due = .now + retryPause.next()
        return change
    }
}
