// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// How a device's messages tell the time.
public struct DeviceTime: Sendable {
    public enum Format: Sendable {
        case unix, unixMilliseconds, unixMicroseconds, unixNanoseconds, iso8601
    }

    /// What a message tells.
    public enum Verdict: Equatable, Sendable {
        case time(Timestamp)
        /// No time stands there.
        case absent
        /// Something stands there that is no time in this format.
        case unreadable
        /// A time before 2001, as of a clock that was never set, or too far ahead.
        case impossible
    }

    /// A day: beyond it a time is no clock that is a little fast, but another unit or another field.
    public static let usualMaxAhead: Int64 = 86_400_000_000

    public var place: MQTTForm.Place
    public var format: Format
    /// Of times that name none; nil where such a time cannot be read.
    public var zone: TimeZoneRules?
    /// How far ahead of the system's clock it may be, in microseconds.
    public var maxAhead = usualMaxAhead

    /// The value that holds the time of a message.
    public func leaf(of contents: MessageLayout.Contents?, topic: String) -> JSONLeaf? {
        switch place {
        case .path: contents?.time
        case .level(let level): MessageIdentity(levels: [level]).parts(of: topic)?.first.map { .string($0) }
        }
    }

    /// - Parameter arrival: when the message came.
    public func read(_ leaf: JSONLeaf?, arrival: Timestamp) -> Verdict {
        switch leaf {
        case nil, .null: return .absent
        case let leaf?:
            guard let time = time(leaf, arrival: arrival) else { return .unreadable }
            return Self.isPossible(time, arrival: arrival, maxAhead: maxAhead) ? .time(time) : .impossible
        }
    }

    public static func isPossible(_ time: Timestamp, arrival: Timestamp, maxAhead: Int64 = usualMaxAhead) -> Bool {
        // Where the gateway's own clock was never set, nothing is too far ahead of it.
        time > .earliestOfDevices && (arrival.isUnset || time <= arrival.advanced(byMicroseconds: maxAhead))
    }

    private func time(_ leaf: JSONLeaf, arrival: Timestamp) -> Timestamp? {
        switch format {
        case .iso8601:
            guard case .string(let text) = leaf, let local = LocalTime(iso8601: text.utf8) else { return nil }
            if let offset = local.offset { return Timestamp(local, east: offset) }
            return zone.flatMap { $0.time(local, near: arrival) }
        case .unix: return Self.time(leaf, perSecond: 1)
        case .unixMilliseconds: return Self.time(leaf, perSecond: 1_000)
        case .unixMicroseconds: return Self.time(leaf, perSecond: 1_000_000)
        case .unixNanoseconds: return Self.time(leaf, perSecond: 1_000_000_000)
        }
    }

    /// - Parameter perSecond: how many of its units are a second.
    private static func time(_ leaf: JSONLeaf, perSecond: Int64) -> Timestamp? {
        var leaf = leaf
        if case .string(let text) = leaf {
            if let whole = Int64(text) {
                leaf = .integer(whole)
            } else if text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ".") }),
                let number = Double(text)
            {
                leaf = .number(number)
            }
        }
        if case .integer(let whole) = leaf {
            if perSecond > 1_000_000 { return Timestamp(microseconds: whole / (perSecond / 1_000_000)) }
            let (microseconds, isTooMuch) = whole.multipliedReportingOverflow(by: 1_000_000 / perSecond)
            // Beyond all that can be told is beyond all that can be.
            return Timestamp(microseconds: isTooMuch ? (whole > 0 ? .max : .min) : microseconds)
        }
        guard let number = leaf.asNumber, number.isFinite else { return nil }
        return Timestamp(microseconds: Int64(saturating: number * (1_000_000 / Double(perSecond))))
    }
}
