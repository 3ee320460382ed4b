// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Schemas
import Testing

@Suite("Avro schemas")
struct AvroSchemaTests {
    @Test("names are as Avro allows them")
    func names() {
        #expect(EventAvro.record(of: .telemetry, map: "eastron-sdm630") == "headgate.telemetry.eastron_sdm630")
        #expect(EventAvro.record(of: .telemetry, map: "3em") == "headgate.telemetry._3em")
        #expect(EventAvro.record(of: .gap, map: nil) == "headgate.events.gap")
    }
}

@Suite("What readers of another schema read")
struct AvroCompatibilityTests {
    private func breaches(_ writer: String, _ reader: String) throws -> [String] {
        let (writer, reader) = try (#require(JSONDocument(writer.utf8)), #require(JSONDocument(reader.utf8)))
        return AvroCompatibility.breaches(reader: reader, writer: writer).map { "\($0.path) \($0.why)" }
    }

    private func record(_ fields: String) -> String { #"{"type":"record","name":"a.r","fields":[\#(fields)]}"# }

    @Test(
        "types are read as they are, or wider",
        arguments: [
            (#""int""#, #""long""#, true), (#""long""#, #""int""#, false), (#""float""#, #""double""#, true),
            (#""string""#, #"["null","string"]"#, true), (#"["null","string"]"#, #""string""#, false),
            (#"["null","int"]"#, #"["double","null"]"#, true), (#"["int","string"]"#, #"["null","int"]"#, false),
            (#"{"type":"array","items":"int"}"#, #"{"type":"array","items":"long"}"#, true),
            (#"{"type":"map","values":"int"}"#, #"{"type":"map","values":"string"}"#, false),
            (#"{"type":"int"}"#, #"{"type":"long","logicalType":"timestamp-micros"}"#, true),
            (#"{"type":"enum","name":"e","symbols":["a","b"]}"#, #"{"type":"enum","name":"e","symbols":["a"]}"#, false),
            (
                #"{"type":"enum","name":"e","symbols":["a","b"]}"#,
                #"{"type":"enum","name":"e","symbols":["a"],"default":"a"}"#, true
            ),
        ])
    func types(_ writer: String, _ reader: String, _ isRead: Bool) throws {
        #expect(try breaches(writer, reader).isEmpty == isRead)
        let (inner, outer) = (#"{"name":"x","type":\#(writer)}"#, #"{"name":"x","type":\#(reader)}"#)
        #expect(try breaches(record(inner), record(outer)).isEmpty == isRead)
    }

    @Test("a field that is not written needs a default")
    func fields() throws {
        #expect(try breaches(record(""), record(#"{"name":"x","type":"int","default":0}"#)).isEmpty)
        #expect(try breaches(record(""), record(#"{"name":"x","type":"int"}"#)) == ["x is read, and not written"])
        #expect(
            try breaches(record(#"{"name":"y","type":"int"}"#), record(#"{"name":"x","aliases":["y"],"type":"int"}"#))
                .isEmpty)
    }

    @Test("a record in itself is looked at once")
    func recursion() throws {
        let node = record(#"{"name":"left","type":["null","a.r"]},{"name":"right","type":["null","r"]}"#)
        #expect(try breaches(node, node).isEmpty)
    }

    @Test("what is no schema is read by nobody, and breaks nothing")
    func nonsense() throws {
        for text in ["1", "[]", "{}", #"{"type":{}}"#, #"{"fields":1}"#, #"{"type":"record"}"#, "[[]]"] {
            _ = try breaches(text, record(#"{"name":"x","type":"int"}"#))
            _ = try breaches(record(#"{"name":"x","type":"int"}"#), text)
        }
    }
}
