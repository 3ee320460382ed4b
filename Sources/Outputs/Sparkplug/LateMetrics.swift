// Headgate
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Sparkplug

/// Metrics of a device that are told after its death, as `Headgate/late` has them: JSON.
struct LateMetrics: Encodable {
    struct One: Encodable {
        var name: String
        /// Nil for none.
        var value: Value?
        /// Milliseconds since 1970.
        var timestamp: UInt64?
        var quality: UInt32?
        var reason: String?

        init(name: String, isUnsigned: Bool, _ metric: SparkplugMetric) {
            self.name = name
            value = metric.raw.map { Value(raw: $0, isUnsigned: isUnsigned) }
            (timestamp, quality, reason) = (metric.timestamp, metric.quality, metric.reason)
        }
    }

    struct Value: Encodable {
        let raw: SparkplugMetric.Raw
        let isUnsigned: Bool

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch raw {
            case .int(let value): try container.encode(value)
            case .long(let value) where isUnsigned: try container.encode(value)
            case .long(let value): try container.encode(Int64(bitPattern: value))
            case .float(let value): try container.encode(value)
            case .double(let value): try container.encode(value)
            case .boolean(let value): try container.encode(value)
            case .string(let value): try container.encode(value)
            }
        }
    }

    var device: String
    var metrics: [One]

    /// JSON has no numbers for what is infinite: those are texts.
    var json: String? {
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) }
    }
}
