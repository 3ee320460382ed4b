// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// A map made of another gateway's configuration, and what did not come along.
public struct ImportedMap: Sendable {
    /// What could not be carried over, and why.
    public struct Left: Sendable {
        public var what: String
        public var why: String
    }

    public var name: String
    public var title: String
    public var source = ""
    public var points: [ImportedPoint] = []
    public var left: [Left] = []
    /// What nobody can know from the file.
    public var doubts: [String] = []
    /// What the configuration needs: a link, and a device with this map.
    public var link: String?
    /// Maps with the same link have the same name of it.
    var linkName = "line-1"
    public var unit: Int?
    /// What the device's tags are there, by name.
    public var tags: [(name: String, value: String)] = []
    /// Between two requests, in milliseconds.
    public private(set) var pause: Int?
    /// The most that one request reads, by key of `limits`.
    var limits: [(key: String, most: Int)] = []

    init(name: String, title: String) {
        self.name = name
        self.title = title
    }

    mutating func leave(_ what: String, _ why: String) {
        left.append(Left(what: what, why: why))
    }

    /// Sets the pause; the longest one of a map is a second.
    mutating func take(pause: Int?, named what: String) {
        guard let pause, pause > 0 else { return }
        self.pause = min(pause, 1_000)
        if pause > 1_000 {
            leave(what, "a turnaround delay of \(pause) ms is longer than a map can have: the map has 1000 ms")
        }
    }

    mutating func doubt(_ text: String) {
        if !doubts.contains(text) { doubts.append(text) }
    }

    /// With names that files and points can have, no two alike.
    public static func named(_ maps: [ImportedMap]) -> [ImportedMap] {
        var used: Set<String> = []
        var links: [String] = []
        return maps.map { map in
            var map = map
            if let link = map.link {
                if !links.contains(link) { links.append(link) }
                map.linkName = "line-\((links.firstIndex(of: link) ?? 0) + 1)"
            }
            map.name = unique(Self.plain(map.name, separator: "-"), "-", &used)
            var points: Set<String> = []
            for place in map.points.indices {
                let point = map.points[place]
                let prefix = point.group.map { "\($0) " } ?? ""
                let name = unique(Self.plain(prefix + point.name, separator: "_"), "_", &points)
                map.points[place].name = name
            }
            return map
        }
    }

    private static func unique(_ name: String, _ separator: String, _ used: inout Set<String>) -> String {
        var candidate = name
        var number = 2
        while !used.insert(candidate).inserted {
            candidate = name + separator + "\(number)"
            number += 1
        }
        return candidate
    }

    /// RoomTemperature, Room Temperature and room-temperature are room_temperature.
    private static func plain(_ text: String, separator: String) -> String {
        var words: [String] = [""]
        var wasLower = false
        for character in text {
            guard character.isASCII, character.isLetter || character.isNumber else {
                words.append("")
                wasLower = false
                continue
            }
            if character.isUppercase, wasLower { words.append("") }
            wasLower = !character.isUppercase
            words[words.count - 1] += character.lowercased()
        }
        let name = words.filter { !$0.isEmpty }.joined(separator: separator).prefix(60)
        return name.isEmpty ? "unnamed" : String(name)
    }
}

/// One of its points, as its line will say.
public struct ImportedPoint: Sendable {
    public var name: String
    /// A prefix of the name, for a name that several points have.
    var group: String?
    public var table: RegisterTable
    /// As it goes over the wire.
    public var address: Int
    public var type: RegisterType
    public var order = ByteOrder.ABCD
    public var bits: ClosedRange<Int>?
    public var length: Int?
    /// Of a text: as `order` of a map says it; nil for two characters a register, in the order in which they are sent.
    public var textOrder: String?
    public var scale = 1.0
    public var offset = 0.0
    /// Where the device has the power of ten.
    public var scaleFactor: Int?
    /// As the map writes them.
    public var absent: [String] = []
    public var isCounter = false
    public var unit = ""
    public var labels: [Int: String] = [:]
    /// Milliseconds.
    public var every: Int?
    /// What may be written, of a number.
    public var writable: ClosedRange<Double>?
    /// That it may be written, of what is no number.
    public var isWritable = false
    public var doubt: String?

    init(_ name: String, _ table: RegisterTable, _ address: Int, _ type: RegisterType) {
        self.name = name
        self.table = table
        self.address = address
        self.type = table.holdsBits ? .bool : type
    }

    /// Why a point has none of the texts of its source.
    static let noTexts = "texts are for whole numbers as they are read, without a scale"

    /// The source does not say which values may be written.
    mutating func doubtWritable() {
        add(doubt: "writable there: write the range, writable: { range: [0, 1] }")
    }

    mutating func add(doubt text: String) {
        doubt = [doubt, text].compactMap(\.self).joined(separator: "; ")
    }

    /// A unit as others write it; what cannot be understood is left out, as a wrong one would be shown.
    mutating func take(unit text: String) {
        let text = text.trimmed
        guard !text.isEmpty else { return }
        if let known = UCUM.isUnit(text) ? text : UCUM.meant(by: text) {
            unit = known
        } else {
            add(doubt: "unit \"\(text)\"")
        }
    }
}

extension String {
    var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace ?? false { rest.removeFirst() }
        while rest.last?.isWhitespace ?? false { rest.removeLast() }
        return String(rest)
    }
}
