// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import MQTT

// When a message's readings were taken.

extension MessageRouter {
    /// So many messages without a time, and none with it, are no chance.
    private static let enoughWithoutTime = 10

    mutating func time(
        of message: MQTTMessage, _ contents: MessageLayout.Contents, _ index: Int, _ id: String, _ arrival: Arrival
    ) -> Timestamp? {
        let wasRefused = known[index][id]?.isTimeRefused ?? false
        known[index][id]?.isTimeRefused = false
        guard let time = devices[index].form.time else { return nil }
        let why: String
        let verdict = time.read(time.leaf(of: contents, topic: message.topic), arrival: arrival.time)
        noteAbsence(ofTime: verdict == .absent, index)
        switch verdict {
        case .time(let time):
            if wasRefused { warnings.clear(.deviceTime, of: id) }
            return time
        case .absent: return nil
        case .unreadable: why = "the device's time does not have the map's format"
        case .impossible: why = "the device's time is before 2001 or too far in the future"
        }
        refusedTimes += 1
        known[index][id]?.isTimeRefused = true
        warnings.warn(
            .deviceTime, of: id, why + ": the gateway uses the time of arrival",
            next: "check `time` in the map (format, zone, max_ahead), or set the device's clock")
        return nil
    }

    /// Some messages may have no time. If none has one, the map looks in the wrong place.
    private mutating func noteAbsence(ofTime isAbsent: Bool, _ index: Int) {
        guard let count = withoutTime[index] else { return }
        withoutTime[index] = isAbsent ? count + 1 : nil
        let name = devices[index].name
        if !isAbsent, count >= Self.enoughWithoutTime { warnings.clear(.deviceTimeMissing, of: name) }
        guard isAbsent, count + 1 == Self.enoughWithoutTime else { return }
        warnings.warn(
            .deviceTimeMissing, of: name, "no message had a time: the gateway uses the time of arrival",
            next: "compare `time` in the map \(devices[index].map.name) with a message, or leave it out")
    }

    /// Messages whose time was refused, since the last call.
    mutating func takeRefusedTimes() -> Int {
        defer { refusedTimes = 0 }
        return refusedTimes
    }
}
