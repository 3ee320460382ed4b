// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A topic with places for what an event is about: `telemetry.{map}`, `headgate/{gateway}/{device}`.
public struct TopicTemplate: Sendable, Equatable {
    private enum Part: Sendable, Equatable {
        case text(String)
        case gateway, device, map, lane, kind
        case tag(String)
    }

    public static let places = "{gateway} {device} {map} {lane} {kind} {tag:NAME}"
    private let parts: [Part]
    /// As it is written.
    public let text: String

    /// Nil where a brace holds no known place.
    public init?(_ template: String) {
        var parts: [Part] = []
        var rest = template[...]
        while let open = rest.firstIndex(of: "{") {
            if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
            guard let close = rest[open...].firstIndex(of: "}"),
                let place = Self.place(rest[rest.index(after: open)..<close])
            else { return nil }
            parts.append(place)
            rest = rest[rest.index(after: close)...]
        }
        guard !rest.contains("}") else { return nil }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
        text = template
    }

    /// Whether Kafka can have such a topic: letters, digits, `.`, `_` and `-`.
    public var isForKafka: Bool {
        parts.allSatisfy { part in if case .text(let text) = part { Self.plain(text) == text } else { true } }
    }

    /// Names of the tags in it.
    public var tags: [String] { parts.compactMap { if case .tag(let name) = $0 { name } else { nil } } }

    /// Whether all events of a topic are of one kind and one map.
    public var isOfOneRecord: Bool { parts.contains(.kind) && (parts.contains(.map) || parts.contains(.device)) }

    /// Whether an output may have several topics.
    public var isOfSeveral: Bool { parts.contains { part in if case .text = part { false } else { part != .gateway } } }

    /// Whether events of different devices, or of different kinds, may have different topics.
    public var isOfDevice: Bool {
        parts.contains { part in
            switch part {
            case .device, .map, .kind, .tag: true
            case .text, .gateway, .lane: false
            }
        }
    }

    private static func place(_ name: Substring) -> Part? {
        switch name {
        case "gateway": .gateway
        case "device": .device
        case "map": .map
        case "lane": .lane
        case "kind": .kind
        default: name.hasPrefix("tag:") && name.count > 4 ? .tag(String(name.dropFirst(4))) : nil
        }
    }

    /// The topic of an event. What concerns no device, and a tag that a device lacks, is `none` there.
    public func text(_ kind: EventKind, lane: Lane, device: Device?, gateway: String) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .gateway: gateway
            case .device: device?.id ?? "none"
            case .map: device?.map ?? "none"
            case .lane: lane.name
            case .kind: kind.name
            case .tag(let name): Self.plain(device?.tags.first { $0.name == name }?.value ?? "none")
            }
        }.joined()
    }

    /// A tag may hold anything; a level of a topic may not. Kafka takes letters, digits, `.`, `_` and `-`.
    private static func plain(_ text: String) -> String {
        String(
            decoding: text.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    byte
                default: UInt8(ascii: "-")
                }
            }, as: UTF8.self)
    }
}
