// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import FoundationEssentials
import YAMLText

/// Events as a file output or `outbox export` wrote them, a line each.
struct Recording {
    struct Event: Decodable {
        struct Content: Decodable {
            struct Reading: Decodable {
                var point: String
                var value: JSONScalar
                var unit: String?
                var quality: String
                var time: String?
            }

            struct Point: Decodable {
                var name: String
                var figures: [String: Double]

                init(from decoder: any Decoder) throws {
                    let members = try decoder.singleValueContainer().decode([String: JSONScalar].self)
                    if case .text(let text) = members["point"] { name = text } else { name = "" }
                    figures = members.compactMapValues(\.asNumber)
                }
            }

            var readings: [Reading]?
            var rule: String?
            var phase: String?
            var reason: String?
            var window: String?
            var points: [Point]?
        }

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
        for (number, line) in text.utf8.split(separator: 0x0A).enumerated() {
            guard let event = try? decoder.decode(Event.self, from: Data(line)) else {
                throw Mistake(line: number + 1, message: "is no event of a gateway, as JSON in a line")
            }
            guard let time = Timestamp(iso8601: event.time.utf8) else {
                throw Mistake(line: number + 1, message: "has a `time` that is none")
            }
            events.append((event, time))
        }
        return events
    }
}

extension Recording.Event.Content.Reading {
    /// What it says of a point, in the unit of the point itself.
    func said(_ point: Point) -> Trial.Said {
        if quality != "good" {
            let known = Quality.allCases.first { "\($0.name)" == quality }
            return .not(known ?? .bad)
        }
        switch value {
        case .none: return .not(.absent)
        case .boolean(let isTrue): return .boolean(isTrue)
        case .text(let text): return .text(text)
        case .integer(let integer): return .number(converted(Double(integer), to: point.unit))
        case .number(let number): return .number(converted(number, to: point.unit))
        }
    }

    private func converted(_ number: Double, to own: String) -> Double {
        guard let unit, unit != own, let told = UnitOfMeasure(unit),
            let conversion = UnitOfMeasure(own).flatMap({ told.conversion(to: $0) })
        else { return number }
        return number * conversion.scale + conversion.offset
    }
}
