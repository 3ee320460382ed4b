// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import FoundationEssentials
import Schemas

/// Events of a running gateway, as they are committed.
public struct EventTail {
    private let devices: Set<String>
    private let points: Set<String>

    /// - Parameters: what is wanted; everything where a set is empty.
    public init(devices: Set<String>, points: Set<String>) {
        self.devices = devices
        self.points = points
    }

    /// One event as it came, with what is needed to choose and to show it.
    public struct LiveEvent: Decodable {
        struct Reading: Decodable {
            var point: String
            var value: JSONDocument
            var unit: String?
            var quality: String
            var reason: String?
        }

        struct Content: Decodable {
            var device: String?
            var readings: [Reading]?
            var state: String?
            var cause: String?
            var count: Int?
            var reason: String?
            var point: String?
            var value: JSONDocument?
            var phase: String?
            var by: String?
            var rule: String?
            var window: String?
            var points: [[String: JSONDocument]]?
        }

        var type: String
        var subject: String
        var time: String
        var data: Content

        /// The event as it was sent.
        public var text: String { raw }
        private var raw = ""
        fileprivate var shown: Set<String> = []

        private enum CodingKeys: String, CodingKey { case type, subject, time, data }

        fileprivate static func read(_ bytes: [UInt8], showing points: Set<String>) -> LiveEvent? {
            var event = try? JSONDecoder().decode(LiveEvent.self, from: Data(bytes))
            event?.raw = String(decoding: bytes, as: UTF8.self)
            event?.shown = points
            return event
        }

        /// What a point amounts to over a window.
        private static func figures(_ point: [String: JSONDocument]) -> String {
            let figures = point.filter { !["point", "unit"].contains($0.key) }.sorted { $0.key < $1.key }
            let name = (point["point"]?.shown ?? "") + (point["unit"].map { " in \($0.shown)" } ?? "")
            return name + ": " + figures.map { "\($0.key) \($0.value.shown)" }.joined(separator: ", ")
        }

        /// A line a reading, for people.
        public func lines(style: (_ quality: String, _ reason: String?) -> String) -> [String] {
            let clock = time.dropFirst(11).prefix(12)
            if data.rule == nil, let readings = data.readings {
                return readings.filter { shown.isEmpty || shown.contains($0.point) }.map {
                    let unit = $0.unit.map { " \($0)" } ?? ""
                    return
                        "\(clock)  \(subject)  \($0.point)  \($0.value.shown)\(unit)  \(style($0.quality, $0.reason))"
                }
            }
            if let points = data.points {
                return points.map { "\(clock)  \(subject)  \(data.window ?? "")  \(Self.figures($0))" }
            }
            let what = [
                data.rule,
                data.point, data.value?.shown, data.phase, data.state, data.cause, data.count.map { "\($0) events" },
                data.reason, data.by.map { "by \($0)" },
            ].compactMap(\.self)
            return ["\(clock)  \(subject)  \(type)  \(what.joined(separator: " "))"]
        }
    }

    /// Hands each event on until the gateway stops.
    public func follow(_ configuration: Configuration, _ handle: @escaping (LiveEvent) throws -> Void) async throws {
        try await RunningGateway.client(of: configuration).events("/api/events") { bytes in
            guard let event = LiveEvent.read(bytes, showing: points), isWanted(event) else { return }
            try handle(event)
        }
    }

    private func isWanted(_ event: LiveEvent) -> Bool {
        guard devices.isEmpty || devices.contains(event.subject) else { return false }
        return points.isEmpty || (event.data.readings ?? []).contains { points.contains($0.point) }
    }
}

extension JSONDocument {
    /// As people read it.
    fileprivate var shown: String {
        switch self {
        case .null: "–"
        case .string(let text): text
        default: text
        }
    }
}
