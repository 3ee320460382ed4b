// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What one product's registers or messages mean: a file in `Devices/`, read and checked.
public struct DeviceMap: Sendable {
    public enum Form: Sendable {
        case modbus(ModbusLimits)
        case mqtt(MQTTForm)
        /// Modbus devices that say themselves what they have, in models that are known.
        case sunSpec
        /// Devices behind edge nodes of Sparkplug B, whose births say what they have.
        case sparkplug
        /// Devices whose points are computed of those of others.
        case computed

        /// Nil where there are no registers.
        public var limits: ModbusLimits? {
            switch self {
            case .modbus(let limits): limits
            // What is between a value and its scale factor is read through.
            case .sunSpec: ModbusLimits(gap: 24)
            case .mqtt, .sparkplug, .computed: nil
            }
        }
    }

    /// Stands for the maps of SunSpec devices, which they bring.
    public static let sunSpec = DeviceMap(
        name: "sunspec", version: 1, title: "SunSpec", source: "the device's own models", form: .sunSpec, points: [],
        examples: [], hash: "")

    /// Stands for the maps of edge nodes.
    public static let sparkplug = DeviceMap(
        name: "sparkplug-b", version: 3, title: "Sparkplug B", source: "Eclipse Sparkplug 3.0.0", form: .sparkplug,
        points: [], examples: [], hash: "")

    /// Stands for the map of what a configuration computes.
    public static func computed(_ points: [Point]) -> DeviceMap {
        DeviceMap(
            name: "derived", version: 1, title: "Computed", source: "the configuration", form: .computed,
            points: points,
            examples: [], hash: "")
    }

    /// Equals the file's name.
    public var name: String
    public var version: Int
    public var title: String
    /// The document it was taken from.
    public var source: String
    public var form: Form
    public var points: [Point]
    public var examples: [Example]
    /// Of its file, SHA-256 in hexadecimal.
    public var hash: String
}

/// How much one request may ask of the product.
public struct ModbusLimits: Sendable, Equatable {
    /// MODBUS Application Protocol V1.1b3, 6.1 to 6.4.
    public static let protocolRegisters = 125
    public static let protocolBits = 2_000

    public var registers = protocolRegisters
    public var bits = protocolBits
    /// The most unused registers or bits worth reading through rather than asking twice.
    public var gap = 8
    /// How long it wants to be left alone before each request, in microseconds.
    public var pause: Int64 = 0

    public init() {}

    init(gap: Int) {
        self.gap = gap
    }
}

/// One thing that a product measures or tells.
public struct Point: Sendable {
    public enum Kind: Sendable { case gauge, counter }

    /// Where the point's value is found.
    public enum Source: Sendable {
        case register(RegisterSource)
        case message(MessageSource)
        case derived(Derived)
    }

    public var name: String
    /// UCUM; empty where the point has none.
    public var unit: String
    public var kind: Kind
    public var lane: Lane
    public var source: Source
    public var conversion: Conversion
    public var range: ClosedRange<Double>?
    public var filters: Filters
    /// Nil where the point is only read.
    public var writable: Writable?
    /// Another unit that its numbers are told in; nil for its own. What else the map says of it is in its own.
    public var report: Report?

    public struct Report: Sendable, Equatable {
        public var unit: String
        /// From the point's own unit.
        public var scaling: Scaling
    }

    /// The unit that events give.
    public var sentUnit: String { report?.unit ?? unit }

    /// What its good values can be, in `sentUnit`, as far as the map says.
    public var domain: Program.Domain {
        var domain = Program.Domain()
        switch operand {
        case .boolean: return .truth
        case .text(let labels):
            domain.labels = labels
            return domain
        case .number: break
        }
        let isSentAsRead = !conversion.scales && report == nil
        if let bounds = bounds.flatMap(told) { domain.bounds = bounds }
        domain.isWhole = isSentAsRead && source.isWhole
        return domain
    }

    /// Where its good values lie, in its own unit: within its range, and within what its registers can say.
    private var bounds: ClosedRange<Double>? {
        guard let reach = source.reach.flatMap({ conversion.scales ? scaled($0) : $0 }) else { return range }
        return range.map { $0.overlaps(reach) ? $0.clamped(to: reach) : $0 } ?? reach
    }

    private func scaled(_ reach: ClosedRange<Double>) -> ClosedRange<Double>? {
        Self.between(conversion.scaled(reach.lowerBound), conversion.scaled(reach.upperBound))
    }

    private func told(_ bounds: ClosedRange<Double>) -> ClosedRange<Double>? {
        guard let report else { return bounds }
        return Self.between(report.scaling.told(bounds.lowerBound), report.scaling.told(bounds.upperBound))
    }

    private static func between(_ one: Double, _ other: Double) -> ClosedRange<Double>? {
        guard one.isFinite, other.isFinite else { return nil }
        // What is computed is rounded to thirteen digits.
        let slack = max(abs(one), abs(other)) * 1e-12
        return min(one, other) - slack...max(one, other) + slack
    }

    /// How it is computed, where it is.
    public var derived: Derived? {
        if case .derived(let derived) = source { derived } else { nil }
    }

    /// Whether its values are numbers, and not texts, labels or yes and no.
    public var isNumber: Bool { source.isNumber && conversion.labels.isEmpty }
}

/// One of the four tables of a Modbus device (MODBUS Application Protocol V1.1b3, 4.3).
public enum RegisterTable: String, Sendable, CaseIterable, Codable {
    case coil, discrete, input, holding

    /// True for the tables of single bits.
    public var holdsBits: Bool { self == .coil || self == .discrete }
}

/// Where in a Modbus device a point is found, and how often to look.
public struct RegisterSource: Sendable {
    public var table: RegisterTable
    /// As it goes over the wire: counted from zero.
    public var address: UInt16
    public var layout: RegisterLayout
    /// Raw values that mean "no value".
    public var absent: [UInt64]
    /// Microseconds between two polls.
    public var every: Int64
    /// The register with the power of ten that the value is to be multiplied with, where the device says it (SunSpec's
    /// `sunssf`).
    public var scaleFactor: UInt16?

    /// The registers, or the bit, of the value.
    public var own: Range<Int> { Int(address)..<(Int(address) + layout.registers) }

    /// What has to be read for it, in one answer: a factor from another answer might not be this value's.
    public var span: Range<Int> {
        guard let scaleFactor else { return own }
        return min(own.lowerBound, Int(scaleFactor))..<max(own.upperBound, Int(scaleFactor) + 1)
    }

    public init(
        table: RegisterTable, address: UInt16, layout: RegisterLayout, absent: [UInt64] = [], every: Int64,
        scaleFactor: UInt16? = nil
    ) {
        self.table = table
        self.address = address
        self.layout = layout
        self.absent = absent
        self.every = every
        self.scaleFactor = scaleFactor
    }
}

/// What the messages of a product look like.
public struct MQTTForm: Sendable {
    /// A part of a message's topic or payload.
    public enum Place: Sendable, Equatable {
        case path(JSONPath)
        /// A level of the whole topic, from 1, or from -1 at its end.
        case level(Int)
    }

    public enum Silence: Sendable, Equatable {
        /// From how often it sends.
        case learnt
        /// So many microseconds.
        case after(Int64)
        case never
    }

    public var time: DeviceTime?
    /// Which device a message is of, where one subscription serves many.
    public var id: MessageIdentity?
    /// Where a list lies whose every element is read like a message; nil where the payload is one.
    public var items: JSONPath?
    /// The silence after which a device is taken for gone.
    public var silence = Silence.learnt
    /// The topic of the device's presence; nil for none.
    public var presence: PresenceTopic?
    /// The paths that a message, or an element, of this product has; empty for any.
    public var requires: [JSONPath] = []
    /// Whether JSON is read leniently: see `JSONScanner`.
    public var isLenient = true

    public init() {}
}

/// How a message tells which device it is of: by parts of its topic, by what its payload says, or both.
public struct MessageIdentity: Sendable, Equatable {
    /// Levels of the whole topic, from 1, or from -1 at its end.
    public var levels: [Int] = []
    /// The first level of the topic's rest, which is part of it as a whole.
    public var rest: Int?
    public var path: JSONPath?

    public init(levels: [Int] = [], rest: Int? = nil, path: JSONPath? = nil) {
        self.levels = levels
        self.rest = rest
        self.path = path
    }

    /// The parts of the id; nil where the topic or the payload lacks one.
    /// - Parameters:
    ///   - topic: nil where only the payload counts.
    ///   - leaf: the value at `path`.
    public func parts(of topic: String?, _ leaf: JSONLeaf?) -> [String]? {
        guard var parts = topic.map({ self.parts(of: $0) }) ?? [] else { return nil }
        if path != nil {
            switch leaf {
            case .string(let text) where !text.isEmpty: parts.append(text)
            case .integer(let number): parts.append(String(number))
            case .unsigned(let number): parts.append(String(number))
            default: return nil
            }
        }
        return parts.isEmpty ? nil : parts
    }

    /// The parts of the id in a topic; nil where it has too few levels.
    func parts(of topic: String) -> [String]? {
        let all = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        var parts: [String] = []
        for level in levels {
            let index = level > 0 ? level - 1 : all.count + level
            guard all.indices.contains(index), let part = String(all[index]), !part.isEmpty else { return nil }
            parts.append(part)
        }
        if let rest {
            guard rest >= 1, rest <= all.count else { return nil }
            let part = all[(rest - 1)...].compactMap { String($0) }.joined(separator: "/")
            if part.isEmpty { return nil }
            parts.append(part)
        }
        return parts
    }
}

/// A topic with the presence of a device, most often its last will.
public struct PresenceTopic: Sendable, Equatable {
    /// Below the device's own.
    public var topic: String
    /// Where the word stands in a JSON payload; nil where it is the whole payload.
    public var path: JSONPath?
    public var online: [String]
    public var offline: [String]

    /// - Returns: nil where the payload says neither.
    public func isOnline(_ payload: [UInt8]) -> Bool? {
        guard let word = word(payload) else { return nil }
        if online.contains(word) { return true }
        return offline.contains(word) ? false : nil
    }

    private func word(_ payload: [UInt8]) -> String? {
        guard let path else { return String(validating: payload, as: UTF8.self)?.trimmingBlanks }
        guard let found = try? JSONScanner.scan(payload, for: JSONPathTree([path]), isLenient: true).last else {
            return nil
        }
        switch found.leaf {
        case .string(let text): return text
        case .boolean(let isTrue): return "\(isTrue)"
        case .integer(let number): return "\(number)"
        default: return nil
        }
    }
}

extension String {
    /// Without blanks and line ends around it.
    var trimmingBlanks: String {
        var trimmed = utf8[...]
        while trimmed.last.map({ $0 <= 0x20 }) ?? false { trimmed = trimmed.dropLast() }
        while trimmed.first.map({ $0 <= 0x20 }) ?? false { trimmed = trimmed.dropFirst() }
        return String(trimmed) ?? self
    }
}

/// Where in a product's messages a point is found.
public struct MessageSource: Sendable {
    public enum Payload: Sendable {
        case json(JSONPath, JSONType)
        /// The whole payload is one number.
        case number
        /// The whole payload is one text.
        case text
        /// Raw bytes laid out like registers; the address counts registers from the payload's start.
        case registers(address: Int, RegisterLayout, absent: [UInt64])
        /// A list of numbers, of which one thing is told.
        case samples(JSONPath, SampleFigure)
        /// Raw bytes, a number after the other to the payload's end.
        case rawSamples(address: Int, RegisterLayout, absent: [UInt64], SampleFigure)
    }

    public enum JSONType: Sendable {
        case number, integer, boolean, string
        /// A number, whole or not, as it is written: the map gives it a unit, a scale or a range, and no type.
        case measured
        case any
    }

    /// Below the device's own topic; empty where that is the one.
    public var topic: String
    public var payload: Payload
}

/// A proof: what these registers or this message mean.
public struct Example: Sendable {
    public enum Given: Sendable {
        case registers([RegisterTable: [Int: UInt16]])
        case message(topic: String, payload: [UInt8])
    }

    public enum Expected: Sendable, Equatable {
        case number(Double)
        /// A whole number, to the last digit.
        case whole(Value)
        case boolean(Bool)
        case text(String)
        case quality(Quality)
    }

    public var given: Given
    public var gives: [(point: String, expected: Expected)]
    /// The time that a message tells; nil where the example says nothing of it.
    public var time: Timestamp?
    /// The id of the device that a message is of, with the topic of that device.
    public var device: String?
    public var deviceTopic = ""
    /// Where its raw values are from: a read-out, a document, or `computed` by the map's own formulas.
    public var source: String?
    public static let computed = "computed"
    /// Where it stands in its file.
    public var line: Int
}
