// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Somebody wants a point of a device written: what became of it. Of each attempt there is an event that says how it
/// ended; of one that was let through, one before it is begun, too.
public struct WriteAttempt: Hashable, Sendable {
    /// The raw values are stored: never change the meaning of one.
    public enum Phase: UInt8, Sendable, CaseIterable {
        /// It is allowed, and about to be done.
        case accepted = 0
        /// The device has it: it was read back.
        case done = 1
        /// Nothing was sent to the device.
        case refused = 2
        /// Something was sent, and the device does not have it, or nobody knows.
        case failed = 3

        public var name: StaticString {
            switch self {
            case .accepted: "accepted"
            case .done: "done"
            case .refused: "refused"
            case .failed: "failed"
            }
        }
    }

    /// Whoever asks may give one; the same in all events of an attempt.
    public var id: String
    /// As they were asked for: there may be no such device or point.
    public var device: String
    public var point: String
    /// What it was to become, as JSON.
    public var value: String
    /// UCUM, of value and found: put in as it is told. Empty where the point has none, or nobody knows.
    var unit = ""
    /// What was read back, as JSON; empty where nothing was.
    public var found: String
    /// Who asked: the command and its user, or the link and what the message says.
    public var by: String
    /// After it nothing is begun.
    public var deadline: Timestamp
    public var phase: Phase
    /// A short stable name; empty where nothing went wrong.
    public var reason: String

    public init(
        id: String, device: String, point: String, value: String, by: String, deadline: Timestamp, phase: Phase,
        reason: String = "", found: String = ""
    ) {
        self.id = id
        self.device = device
        self.point = point
        self.value = value
        self.found = found
        self.by = by
        self.deadline = deadline
        self.phase = phase
        self.reason = reason
    }
}

extension Catalog.Contents {
    /// An attempt as it is told: in the point's unit, or in the other that this is told in.
    func told(_ attempt: WriteAttempt, of device: DeviceNumber, _ units: [String: UnitChange]) -> WriteAttempt {
        guard let series = series.last(where: { $0.device == device && $0.point == attempt.point }) else {
            return attempt
        }
        var attempt = attempt
        attempt.unit = series.unit
        guard let change = units[series.unit] else { return attempt }
        attempt.unit = change.unit
        attempt.value = change.json(attempt.value)
        attempt.found = change.json(attempt.found)
        return attempt
    }
}

extension UnitChange {
    /// Of a number as JSON; of anything else that.
    fileprivate func json(_ text: String) -> String {
        guard let number = Double(text) else { return text }
        var out = ByteWriter()
        out.json(value(.number(number)), of: Batch())
        return String(decoding: out.bytes, as: UTF8.self)
    }
}
