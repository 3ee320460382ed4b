// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import FoundationEssentials
import Schemas
import YAMLText

/// Events as a file output or `outbox export` wrote them, a line each.
struct Recording {
    struct Event: Decodable {
        struct Content: Decodable {
            struct Reading: Decodable {
                var point: String
                var value: JSONDocument
                var unit: String?
                var quality: String
                var reason: String?
                var time: String?
            }

            struct Point: Decodable {
                var name: String
                private var unit: String?
                private var figures: [String: Double]

                init(from decoder: any Decoder) throws {
                    let members = try decoder.singleValueContainer().decode([String: JSONDocument].self)
                    name = members["point"]?.asString ?? ""
                    unit = members["unit"]?.asString
                    figures = members.compactMapValues(\.asNumber)
                }

                /// In the unit that the gateway itself tells the point in.
                func figures(in own: String?) -> [(String, Double)] {
                    let conversion = own.flatMap { Recording.conversion(from: unit, to: $0) }
                    let change = conversion.map { scale, offset in
                        UnitChange(unit: own ?? "", ofOne: scale) { $0 * scale + offset }
                    }
                    return figures.map { name, number in
                        let told = Figure(name: name).flatMap { change?.value(.number(number), of: $0).asNumber }
                        return (name, told ?? number)
                    }
                }
            }

            var readings: [Reading]?
            var rule: String?
            var phase: String?
            var reason: String?
            var window: String?
            var points: [Point]?
        }

        var id: String
        var type: String
        var subject: String
        var time: String
        var data: Content
    }

    /// What cannot be read of it.
    struct Mistake: Error {
        var line: Int
        var message: String
    }

    static func read(_ text: String) throws(Mistake) -> [(event: Event, time: Timestamp)] {
        let decoder = JSONDecoder()
        var events: [(event: Event, time: Timestamp)] = []
        var known: Set<String> = []
        for (number, line) in text.utf8.split(separator: 0x0A).enumerated() {
            guard let event = try? decoder.decode(Event.self, from: Data(line)) else {
                throw Mistake(line: number + 1, message: "is no event of a gateway, as JSON in a line")
            }
            guard let time = Timestamp(iso8601: event.time.utf8) else {
                throw Mistake(line: number + 1, message: "has an invalid `time`")
            }
            // What was sent again is the same event.
            if known.insert(event.id).inserted { events.append((event, time)) }
        }
        return events
    }
}

extension Recording {
    /// Events as they were committed: a reading that came late comes late.
    ///
    /// An export goes lane by lane, and an output sends a backlog behind what is fresh. The number in an id gives the order
    /// within a lane of an epoch. These are put together by the newest time that each has come to, as an event arrives no earlier than
    /// any before it. Events whose ids have no number stay in the order of the file.
    static func inOrderOfArrival(_ events: [(event: Event, time: Timestamp)]) -> [(event: Event, time: Timestamp)] {
        var lanes: [Substring: [(number: UInt64, place: Int)]] = [:]
        for (place, one) in events.enumerated() {
            let parts = one.event.id.split(separator: "/", omittingEmptySubsequences: false)
            let number = parts.count >= 4 ? parts.last.flatMap { UInt64($0) } : nil
            let lane = number == nil ? "" : one.event.id.dropLast((parts.last?.count ?? 0) + 1)
            lanes[lane, default: []].append((number ?? 0, place))
        }
        var arrived: [(time: Timestamp, place: Int)] = []
        for (_, lane) in lanes.sorted(by: { $0.key < $1.key }) {
            var newest = Timestamp(microseconds: .min)
            for (_, place) in lane.sorted(by: { ($0.number, $0.place) < ($1.number, $1.place) }) {
                newest = max(newest, events[place].time)
                arrived.append((newest, place))
            }
        }
        // Of one moment those of a lane stay in their order.
        return arrived.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
            .map { events[$0.element.place] }
    }

    /// Nil where they are the same, or of different kinds.
    fileprivate static func conversion(from told: String?, to own: String) -> (scale: Double, offset: Double)? {
        guard let told, told != own, let unit = UnitOfMeasure(told), let wanted = UnitOfMeasure(own) else { return nil }
        return unit.conversion(to: wanted)
    }
}

extension Recording.Event.Content.Reading {
    /// What it says of a point, in the unit of the point itself.
    func said(_ point: Point) -> Trial.Said {
        // What filters have doubted they doubt again.
        let isDoubted = quality == "uncertain" && [Reason.spike, .stuck].contains { "\($0.name)" == reason }
        if quality != "good", !isDoubted {
            let known = Quality.allCases.first { "\($0.name)" == quality }
            return .not(known ?? .bad)
        }
        switch value {
        case .null, .array, .object: return .not(.absent)
        case .boolean(let isTrue): return .boolean(isTrue)
        case .string(let text): return .text(text)
        case .integer(let integer): return whole(.integer(integer), to: point.unit)
        case .unsigned(let number): return whole(.unsigned(number), to: point.unit)
        case .number(let number): return .number(converted(number, to: point.unit))
        }
    }

    private func whole(_ value: Value, to own: String) -> Trial.Said {
        if !value.isExactNumber, Recording.conversion(from: unit, to: own) == nil { return .whole(value) }
        return .number(converted(value.asNumber ?? .nan, to: own))
    }

    private func converted(_ number: Double, to own: String) -> Double {
        guard let conversion = Recording.conversion(from: unit, to: own) else { return number }
        return number * conversion.scale + conversion.offset
    }
}
