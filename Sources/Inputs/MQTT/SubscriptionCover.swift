// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import MQTT

/// The topic filters to subscribe to, so that a broker sends no message twice.
///
/// A broker may send a message once for each filter that matches it (MQTT 5.0, 3.3.4). So a filter that another one covers
/// is not subscribed to: its messages come anyway. What is left overlaps only where two filters cross, as `a/+/c` and
/// `a/b/+` do: there MQTT 5 tells with each copy which filter it is sent for.
public struct SubscriptionCover: Sendable {
    /// Each covered by no other, in the order in which they came.
    public let filters: [String]
    /// By each filter that was asked for, the one that brings its messages.
    private let covering: [String: String]
    /// Whether two of them match a message that neither covers alone.
    public let crossing: (String, String)?

    /// - Complexity: by the number of filters times the number of those with wildcards.
    public init(_ wanted: [String]) {
        // A filter without wildcards covers nothing but itself.
        var wild: [String] = []
        for filter in wanted where TopicFilter.hasWildcard(filter) && !wild.contains(where: { Self.covers($0, filter) })
        {
            wild.removeAll { Self.covers(filter, $0) }
            wild.append(filter)
        }
        var kept: [String] = []
        var covering: [String: String] = [:]
        for filter in wanted where covering[filter] == nil {
            let wide = wild.first { Self.covers($0, filter) } ?? filter
            covering[filter] = wide
            if wide == filter { kept.append(filter) }
        }
        filters = kept
        self.covering = covering
        crossing = wild.indices.lazy.flatMap { one in wild[(one + 1)...].map { (wild[one], $0) } }
            .first { Self.overlap($0.0, $0.1) }
    }

    /// The filter of a topic of a device, which may be below the device's own.
    static func filter(_ topic: String, below own: String) -> String { topic.isEmpty ? own : own + "/" + topic }

    /// All filters of a device.
    public static func filters(of points: [Point], _ form: MQTTForm, below own: String) -> [String] {
        (MessageLayout.topics(of: points) + [form.presence?.topic].compactMap(\.self)).map { filter($0, below: own) }
    }

    /// The one of `filters` that brings a filter's messages; nil where none does.
    public func filter(covering filter: String) -> String? { covering[filter] }

    /// Whether a filter matches all that another does.
    public static func covers(_ one: String, _ other: String) -> Bool {
        let (wide, narrow) = (levels(one), levels(other))
        // Wildcards at the beginning leave out the broker's own topics (MQTT 5.0, 4.7.2).
        if narrow.first?.first == UInt8(ascii: "$"), wide.first.map(isWildcard) ?? false { return false }
        for (place, level) in wide.enumerated() {
            if isAll(level) { return narrow.count >= place }
            guard narrow.indices.contains(place), !isAll(narrow[place]) else { return false }
            if !isOne(level), !level.elementsEqual(narrow[place]) { return false }
        }
        return wide.count == narrow.count
    }

    /// Whether there is a topic that both match.
    public static func overlap(_ one: String, _ other: String) -> Bool {
        let (left, right) = (levels(one), levels(other))
        for place in 0..<max(left.count, right.count) {
            let (a, b) = (
                left.indices.contains(place) ? left[place] : nil, right.indices.contains(place) ? right[place] : nil
            )
            if a.map(isAll) ?? false || b.map(isAll) ?? false { return true }
            guard let a, let b else {
                // `a/#` also matches `a`.
                return left.count > right.count
                    ? left.count == right.count + 1 && left.last.map(isAll) ?? false
                    : right.count == left.count + 1 && right.last.map(isAll) ?? false
            }
            if !isOne(a), !isOne(b), !a.elementsEqual(b) { return false }
        }
        return true
    }

    private static func levels(_ filter: String) -> [Substring.UTF8View] {
        filter.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { $0 }
    }

    private static func isOne(_ level: Substring.UTF8View) -> Bool { level.elementsEqual("+".utf8) }
    private static func isAll(_ level: Substring.UTF8View) -> Bool { level.elementsEqual("#".utf8) }
    private static func isWildcard(_ level: Substring.UTF8View) -> Bool { isOne(level) || isAll(level) }
}
