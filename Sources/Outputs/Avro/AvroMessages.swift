// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A record that cannot be written yet: nobody knows its number.
public struct UnknownSchema: Error {
    fileprivate let wanted: SchemaNumbers.Wanted
    fileprivate let numbers: SchemaNumbers

    /// Asks the registry for it.
    public func ask() async throws(OutputFailure) { try await numbers.ask(wanted) }
}

/// Confluent's wire format: a zero, the schema's number in four bytes, the record.
struct AvroMessages {
    var encoder: EventAvro
    let numbers: SchemaNumbers

    mutating func write(
        _ event: Batch.Event, of batch: Batch, id: String, isReplayed: Bool, topic: String, to out: inout ByteWriter
    ) throws(UnknownSchema) {
        let record = EventAvro.record(of: event.kind, map: encoder.map(of: event))
        let wanted = numbers.wanted(topic: topic, record: record)
        guard let number = numbers.number(wanted) else { throw UnknownSchema(wanted: wanted, numbers: numbers) }
        out.byte(0)
        out.fixed32(number.byteSwapped)
        encoder.write(event, of: batch, id: id, isReplayed: isReplayed, to: &out)
    }
}
