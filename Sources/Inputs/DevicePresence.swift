// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Whether a device answers, told once per change: offline after three failures in a row, online when it answers.
struct DevicePresence {
    static let failuresUntilOffline = 3

    private(set) var isOnline: Bool?
    /// When it was online last for the first time.
    private(set) var onlineSince: Timestamp?
    private var failures = 0
    private var firstFailure: Timestamp?

    /// The device answered.
    /// - Returns: the change to tell, if it is one.
    mutating func answered(at time: Timestamp) -> StatusChange? {
        failures = 0
        firstFailure = nil
        guard isOnline != true else { return nil }
        (isOnline, onlineSince) = (true, time)
        return StatusChange(state: .online, since: time, reason: .none)
    }

    /// A poll of the device brought nothing.
    mutating func failed(at time: Timestamp, _ reason: Reason) -> StatusChange? {
        failures += 1
        let since = firstFailure ?? time
        firstFailure = since
        return failures >= Self.failuresUntilOffline ? cutOff(since: since, reason) : nil
    }

    /// The way to the device is gone.
    mutating func cutOff(since: Timestamp, _ reason: Reason) -> StatusChange? {
        guard isOnline != false else { return nil }
        isOnline = false
        return StatusChange(state: .offline, since: since, reason: reason)
    }

    var isOffline: Bool { isOnline == false }

    /// Whether it answered since it was there last.
    var hasAnswered: Bool { isOnline == true }

    /// Whether it did not answer the last time.
    var isSilent: Bool { failures > 0 }
}
