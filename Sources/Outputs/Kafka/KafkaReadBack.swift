// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Kafka
import Logging

/// What a topic has of our events already, though nobody has told us: sent before a crash or by a producer that failed,
/// and acknowledged to no one.
///
/// The outbox keeps with the cursor how far each partition was acknowledged (a mark). Whatever was sent and is not settled
/// lies behind it, as a producer keeps the order within a partition.
struct KafkaReadBack {
    /// Records that are read at the most: of a partition where others write much behind the mark, and of all partitions of a
    /// topic together that have no mark yet.
    private static let most: Int64 = 20_000

    private(set) var ids: Set<String> = []
    private var topics: Set<String> = []
    private let settings: [String: String]
    /// Ids of others are not kept.
    private let prefix: String
    private let logger: Logger

    init(_ settings: KafkaOutputSettings, prefix: String, logger: Logger) {
        self.settings = settings.readerProperties
        self.prefix = prefix
        self.logger = logger
    }

    static func place(_ topic: String, _ partition: Int32) -> String { "\(topic)/\(partition)" }

    /// Looks into the topics that have not been looked into yet.
    /// - Returns: the topics that the brokers refuse, and why.
    /// - Throws: where that is not possible now; nothing may be sent there before.
    mutating func look(
        into topics: Set<String>, after marks: [String: Int64], isCancelled: () -> Bool
    ) throws(KafkaError) -> [String: KafkaError] {
        let new = topics.subtracting(self.topics)
        guard !new.isEmpty else { return [:] }
        let reader = try KafkaReader(settings)
        var refused: [String: KafkaError] = [:]
        for topic in new.sorted() {
            do throws(KafkaError) {
                try read(topic, reader, marks, isCancelled)
                if !isCancelled() { self.topics.insert(topic) }
            } catch {
                guard error.kind == .topic else { throw error }
                refused[topic] = error
            }
        }
        return refused
    }

    private mutating func read(
        _ topic: String, _ reader: borrowing KafkaReader, _ marks: [String: Int64], _ isCancelled: () -> Bool
    ) throws(KafkaError) {
        let all = try reader.partitions(of: topic)
        let unmarked = all.count { marks[Self.place(topic, $0.partition)] == nil }
        let spans = all.map { span in
            let mark = marks[Self.place(topic, span.partition)]
            var wanted = span
            // A topic that was deleted and made again counts from 0.
            if let mark, mark < span.end { wanted.from = max(span.from, mark + 1) }
            let most = mark == nil ? max(1_000, Self.most / Int64(max(1, unmarked))) : Self.most
            if wanted.end - wanted.from > most {
                if mark != nil {
                    logger.warning(
                        .readBackIncomplete,
                        "The topic contains more records than the output reads back; some events may be sent twice, with the same IDs",
                        metadata: ["topic": "\(topic)", "partition": "\(span.partition)"])
                }
                wanted.from = wanted.end - most
            }
            return wanted
        }
        var found: Set<String> = []
        try reader.read(spans, of: topic, header: "ce_id", isCancelled: isCancelled) { id in
            if id.hasPrefix(prefix) { found.insert(id) }
        }
        ids.formUnion(found)
        if !found.isEmpty {
            logger.info("read back what is there", metadata: ["topic": "\(topic)", "events": "\(found.count)"])
        }
    }

    /// A producer that is done may have sent what it was not told of: the topics are looked into again.
    mutating func forgetTopics() {
        topics.removeAll()
    }

    /// Whether an event is there.
    func has(_ id: String?) -> Bool { id.map(ids.contains) ?? false }

    mutating func note(_ id: String?) {
        if let id { ids.insert(id) }
    }

    /// An event that is settled does not come again, unless somebody asks for it.
    mutating func forget(_ id: String?) {
        if let id { ids.remove(id) }
    }
}
