// Headgate
// SPDX-License-Identifier: Apache-2.0

import CRdKafka

/// Why Kafka, or librdkafka, refused.
public struct KafkaError: Error, Equatable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// Try the same message again later.
        case retry
        /// This message will never be taken: too large, not valid.
        case reject
        /// A message in the same request, perhaps this one, will never be taken.
        case rejectBatch
        /// Nothing is taken for this topic, until an operator creates it or allows it. Others are.
        case topic
        /// This producer is done; a new one may go on.
        case fatal
        /// The settings cannot work as they are.
        case setup
        /// The local queue is full: poll, then go on.
        case queueFull
    }

    public let kind: Kind
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// What librdkafka wrote into a buffer that ends at the first zero.
    init(_ kind: Kind, _ buffer: [CChar]) {
        self.init(kind, String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }

    init(_ code: rd_kafka_resp_err_t) {
        self.init(Self.kind(of: code), String(cString: rd_kafka_err2str(code)))
    }

    private static func kind(of code: rd_kafka_resp_err_t) -> Kind {
        switch code {
        case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, RD_KAFKA_RESP_ERR__INVALID_ARG: .reject
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD: .rejectBatch
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
            .topic
        case RD_KAFKA_RESP_ERR__FATAL, RD_KAFKA_RESP_ERR__DESTROY: .fatal
        case RD_KAFKA_RESP_ERR__QUEUE_FULL: .queueFull
        // All else passes or is mended by an operator: never give a message up for it.
        default: .retry
        }
    }
}

/// An error of the protocol, by the name it has in librdkafka and in the Kafka protocol guide: NOT_ENOUGH_REPLICAS.
public struct KafkaErrorCode: Sendable {
    let code: rd_kafka_resp_err_t

    public init?(name: String) {
        var descriptions: UnsafePointer<rd_kafka_err_desc>?
        var count = 0
        rd_kafka_get_err_descs(&descriptions, &count)
        let wanted = name == "NONE" ? "NO_ERROR" : name
        let found = (0..<count).first { index in
            descriptions?[index].name.map { String(cString: $0) == wanted } ?? false
        }
        guard let found, let code = descriptions?[found].code else { return nil }
        self.code = code
    }
}
