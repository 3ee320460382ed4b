// Headgate
// SPDX-License-Identifier: Apache-2.0

import SwiftProtobuf

/// Bytes that are no payload of Sparkplug B, or one of too many parts.
public struct MalformedSparkplug: Error {}

/// What one message of an edge node says, or is told (Sparkplug 3.0.0, 6.4.5).
public struct SparkplugPayload: Sendable {
    /// Milliseconds since 1970.
    public var timestamp: UInt64?
    /// 0 to 255, counted over all that an edge node and its devices send.
    public var sequence: UInt64?
    public var metrics: [SparkplugMetric]
    /// Whether it has a `body`, as a compressed payload has instead of metrics (ibid., 6.4.4 and 6.4.31).
    public private(set) var isOpaque = false

    public init(timestamp: UInt64?, sequence: UInt64?, metrics: [SparkplugMetric]) {
        self.timestamp = timestamp
        self.sequence = sequence
        self.metrics = metrics
    }

    public init(_ bytes: [UInt8]) throws(MalformedSparkplug) {
        guard ElementCount.isBounded(bytes) else { throw MalformedSparkplug() }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        // A template in a template in a template.
        options.messageDepthLimit = 16
        guard let payload = try? Payload(serializedBytes: bytes, options: options) else { throw MalformedSparkplug() }
        timestamp = payload.hasTimestamp ? payload.timestamp : nil
        sequence = payload.hasSeq ? payload.seq : nil
        metrics = payload.metrics.map(SparkplugMetric.init)
        isOpaque = metrics.isEmpty && ElementCount.hasField(5, in: bytes)
    }

    /// As it goes over the wire; templates are left out.
    public var bytes: [UInt8] {
        var payload = Payload()
        if let timestamp { payload.timestamp = timestamp }
        if let sequence { payload.seq = sequence }
        payload.metrics = metrics.map(\.message)
        return (try? payload.serializedBytes()) ?? []
    }
}

/// The types of metrics that are values (Sparkplug 3.0.0, 6.4.16); sets of data, files and arrays are not.
public enum SparkplugType: UInt32, Sendable {
    case int8 = 1
    case int16 = 2
    case int32 = 3
    case int64 = 4
    case uint8 = 5
    case uint16 = 6
    case uint32 = 7
    case uint64 = 8
    case float = 9
    case double = 10
    case boolean = 11
    case string = 12
    /// Milliseconds since 1970.
    case dateTime = 13
    case text = 14
    case uuid = 15
    /// A group of metrics.
    case template = 19
}

/// One metric of a message (Sparkplug 3.0.0, 6.4.6).
public struct SparkplugMetric: Sendable {
    /// As it lies in the message; what it is its type says.
    public enum Raw: Sendable, Equatable {
        case int(UInt32)
        case long(UInt64)
        case float(Float)
        case double(Double)
        case boolean(Bool)
        case string(String)
    }

    /// In births always; later the alias may stand for it.
    public var name: String?
    public var alias: UInt64?
    /// Milliseconds since 1970.
    public var timestamp: UInt64?
    /// Nil where it is not said; births say it.
    public var typeCode: UInt32?
    public var isHistorical = false
    public var isNull = false
    public var raw: Raw?
    /// Of a template's instance.
    public var members: [SparkplugMetric] = []
    /// A template's definition has no values.
    public var isDefinition = false
    /// The property `Quality` (ibid., 6.4.12): 0 bad, 192 good, 500 stale.
    public var quality: UInt32?
    /// The property `engUnit`, as many edge nodes send it.
    public var unit: String?
    /// The property `reason`: why a value is not good. Of ours alone.
    public var reason: String?

    public init(name: String, type: SparkplugType, raw: Raw) {
        self.name = name
        typeCode = type.rawValue
        self.raw = raw
    }

    /// As data names it. Without a value it is null.
    public init(alias: UInt64, raw: Raw?) {
        self.alias = alias
        self.raw = raw
        isNull = raw == nil
    }
}

extension SparkplugMetric {
    init(_ metric: Metric) {
        name = metric.hasName ? metric.name : nil
        alias = metric.hasAlias ? metric.alias : nil
        timestamp = metric.hasTimestamp ? metric.timestamp : nil
        typeCode = metric.hasDatatype ? metric.datatype : nil
        isHistorical = metric.isHistorical
        isNull = metric.isNull
        switch metric.value {
        case .intValue(let value): raw = .int(value)
        case .longValue(let value): raw = .long(value)
        case .floatValue(let value): raw = .float(value)
        case .doubleValue(let value): raw = .double(value)
        case .booleanValue(let value): raw = .boolean(value)
        case .stringValue(let value): raw = .string(value)
        case .templateValue(let template):
            members = template.metrics.map(SparkplugMetric.init)
            isDefinition = template.isDefinition
        case nil: break
        }
        for (key, property) in zip(metric.properties.keys, metric.properties.values) where !property.isNull {
            switch (key, property.value) {
            case ("Quality", .intValue(let code)): quality = code
            case ("Quality", .longValue(let code)): quality = UInt32(clamping: code)
            case ("engUnit", .stringValue(let text)): unit = text
            case ("reason", .stringValue(let text)): reason = text
            default: break
            }
        }
    }

    fileprivate var message: Metric {
        var metric = Metric()
        if let name { metric.name = name }
        if let alias { metric.alias = alias }
        if let timestamp { metric.timestamp = timestamp }
        if let typeCode { metric.datatype = typeCode }
        if isHistorical { metric.isHistorical = true }
        if isNull { metric.isNull = true }
        switch raw {
        case .int(let value): metric.intValue = value
        case .long(let value): metric.longValue = value
        case .float(let value): metric.floatValue = value
        case .double(let value): metric.doubleValue = value
        case .boolean(let value): metric.booleanValue = value
        case .string(let value): metric.stringValue = value
        case nil: break
        }
        var properties = PropertySet()
        if let quality { properties.add("Quality", .int32) { $0.intValue = quality } }
        if let unit { properties.add("engUnit", .string) { $0.stringValue = unit } }
        if let reason { properties.add("reason", .string) { $0.stringValue = reason } }
        if !properties.keys.isEmpty { metric.properties = properties }
        return metric
    }
}

extension PropertySet {
    fileprivate mutating func add(_ key: String, _ type: SparkplugType, _ set: (inout PropertyValue) -> Void) {
        var value = PropertyValue()
        value.type = type.rawValue
        set(&value)
        keys.append(key)
        values.append(value)
    }
}
